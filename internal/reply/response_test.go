package reply_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/reply"
)

// pages is a server around a response: all it has are pages.
type pages struct{ executor.Host }

func (pages) Error(w http.ResponseWriter, _ *http.Request, status, _ int) {
	http.Error(w, "page", status)
}

// answer is what a client gets of what send sends.
func answer(t *testing.T, send func(*reply.Response) executor.Result) (status int, header http.Header, body string, res executor.Result) {
	t.Helper()
	flusher := reply.NewFlusher(time.Hour)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Before", "kept")
		w.Header().Set("X-Both", "before")
		var s reply.Response
		s.Init(w, r, reply.Around{Log: slog.New(slog.DiscardHandler), Flusher: flusher, Host: pages{}, Client: (*conn.Conn)(nil)})
		res = send(&s)
		res.Check()
	}))
	defer srv.Close()
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	got, err := client.Get(srv.URL)
	if err != nil {
		return 0, nil, err.Error(), res
	}
	defer got.Body.Close()
	b, err := io.ReadAll(got.Body)
	if err != nil {
		return 0, nil, err.Error(), res
	}
	return got.StatusCode, got.Header, string(b), res
}

// What a filter that answers by itself sends: SF_REQ_SEND_RESPONSE_HEADER with its texts, and WriteClient.
func TestAnswerOfAFilter(t *testing.T) {
	const none = "none"
	for _, c := range []struct {
		name, statusText, headers string // none: no header call
		writes                    []string
		status                    int
		body                      string
	}{
		{"no status", "", "", []string{"a", "b"}, 200, "ab"},
		{"a bare number", "302", "Connection: close\r\nContent-Length: 0\r\n\r\n", nil, 302, ""},
		{"a reason of its own", "302 Please Wait", "Location: /x\r\nX-Both: after\r\n\r\n", nil, 302, ""},
		{"chunks of its own", "200 OK", "Transfer-Encoding: chunked\r\n\r\n", []string{"2\r\nab\r", "\n1\r\nc\r\n0\r\n", "\r\n"}, 200, "abc"},
		{"a head of its own", none, "", []string{"HTTP/1.1 403 No\r\nX-Both: af", "ter\r\n\r\nno"}, 403, "no"},
		{"no head at all", none, "", []string{"text"}, 200, "text"},
		{"nothing", none, "", nil, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body, res := answer(t, func(s *reply.Response) executor.Result {
				if c.statusText != none {
					h, err := isapi.ParseHead(c.statusText, c.headers)
					if err != nil {
						t.Error(err)
					}
					if err := s.Begin(&h, nil); err != isapi.OK {
						t.Errorf("begin: %v", err)
					}
					if err := s.Begin(&h, nil); err != isapi.InvalidParameter {
						t.Errorf("a second begin: %v", err)
					}
				}
				for _, w := range c.writes {
					if err := s.Write([]byte(w)); err != isapi.OK {
						t.Errorf("write: %v", err)
					}
				}
				s.End(0)
				return s.Result(executor.Result{})
			})
			if status != c.status || body != c.body {
				t.Errorf("%d %q, want %d %q", status, body, c.status, c.body)
			}
			if header.Get("X-Before") != "kept" || len(header.Values("X-Both")) != 1 {
				t.Errorf("header %v", header)
			}
			if res.Status != c.status || res.Broken || res.Bytes != int64(len(c.body)) {
				t.Errorf("result %+v", res)
			}
		})
	}
}

// A response that fails is a page if nothing was sent, else it is broken off, lest a part is taken for all.
func TestFail(t *testing.T) {
	for _, c := range []struct {
		name, headers, write string
		begin                bool
		status               int
		broken               bool
	}{
		{"before the head", "", "", false, 500, false},
		{"before the head is all there", "", "HTTP/1.1 200 OK\r\n", false, 500, false},
		{"within the length", "Content-Length: 5\r\n\r\n", "ab", true, 0, true},
		{"without a length", "", "ab", true, 0, true},
		{"after the last byte", "Content-Length: 2\r\n\r\n", "ab", true, 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body, res := answer(t, func(s *reply.Response) executor.Result {
				h, err := isapi.ParseHead("", c.headers)
				if err != nil {
					t.Error(err)
				}
				if c.begin {
					s.Begin(&h, nil)
				}
				s.Write([]byte(c.write))
				s.Fail(http.StatusInternalServerError)
				return s.Result(executor.Result{})
			})
			if status != c.status || res.Broken != c.broken {
				t.Errorf("status %d %q, result %+v; want %d, broken %v", status, body, res, c.status, c.broken)
			}
		})
	}
}
