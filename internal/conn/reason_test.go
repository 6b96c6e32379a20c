package conn

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testcert"
)

func TestSetReason(t *testing.T) {
	long := strings.Repeat("ä", 150)
	tests := []struct {
		name           string
		status, answer int
		reason, want   string
	}{
		{"own text", 500, 500, "Failed to open thread token", "HTTP/1.1 500 Failed to open thread token"},
		{"shorter", 404, 404, "No", "HTTP/1.1 404 No"},
		{"empty", 404, 404, "", "HTTP/1.1 404 "},
		{"unknown status", 799, 799, "Odd", "HTTP/1.1 799 Odd"},
		{"other status", 500, 404, "Nonsense", "HTTP/1.1 404 Not Found"},
		{"no splitting", 500, 500, "a\r\nSet-Cookie: b\x00c\x7f", "HTTP/1.1 500 a  Set-Cookie: b c"},
		{"cut at a rune", 500, 500, "x" + long, "HTTP/1.1 500 x" + long[:198]},
	}
	for _, secure := range []bool{false, true} {
		for _, test := range tests {
			name := "plain/"
			if secure {
				name = "tls/"
			}
			t.Run(name+test.name, func(t *testing.T) {
				c := reasonClient(t, secure, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/set" {
						if !From(r.Context()).SetReason(test.status, test.reason) {
							t.Error("SetReason: got false, want true")
						}
						w.WriteHeader(http.StatusEarlyHints) // a 1xx line is not the one
						w.WriteHeader(test.answer)
						return
					}
					_, _ = io.WriteString(w, "HTTP/1.1 500 as a body\r\n")
				})
				r := bufio.NewReader(c)
				send(t, c, get("/set"))
				if got := statusLine(t, r); got != "HTTP/1.1 103 Early Hints" {
					t.Errorf("first line: got %q, want a 103", got)
				}
				if got := statusLine(t, r); got != test.want {
					t.Errorf("line: got %q, want %q", got, test.want)
				}
				send(t, c, get("/next", "Connection: close\r\n"))
				rest, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				if got := string(rest); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\nHTTP/1.1 500 as a body\r\n") {
					t.Errorf("next response: got %q, want it untouched", got)
				}
			})
		}
	}
}

func reasonClient(t *testing.T, secure bool, handler http.HandlerFunc) net.Conn {
	if !secure {
		return dial(t, serve(t, nil, handler))
	}
	config := &tls.Config{Certificates: []tls.Certificate{testcert.New(t, t.TempDir()).Certificate}, NextProtos: []string{"h2", "http/1.1"}}
	c := tls.Client(dial(t, serve(t, config, handler)), &tls.Config{InsecureSkipVerify: true})
	return c
}

// A reason that was never used must not appear in the next response.
func TestReasonEndsWithItsRequest(t *testing.T) {
	c := dial(t, serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			From(r.Context()).SetReason(200, "late")
		}
	}))
	r := bufio.NewReader(c)
	send(t, c, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
	for line := ""; line != "0\r\n"; {
		line, _ = r.ReadString('\n')
		if line == "" {
			t.Fatal("connection ended")
		}
	}
	_, _ = r.ReadString('\n')
	send(t, c, get("/"))
	if got := statusLine(t, r); got != "HTTP/1.1 200 OK" {
		t.Errorf("got %q, want the standard line", got)
	}
}
