package conn

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testcert"
)

// echoRaw answers with the raw header, or "nil".
func echoRaw(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/changed" {
		r.Header.Set("X-New", "1")
	}
	if strings.HasPrefix(r.URL.Path, "/body") {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	raw := From(r.Context()).RawHeader(r)
	if raw == nil {
		raw = []byte("nil")
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(raw)))
	_, _ = w.Write(raw)
}

func TestRawHeader(t *testing.T) {
	tests := []struct{ name, request, want string }{
		{"order and case", "GET / HTTP/1.1\r\nx-LOWER: 1\r\nHost: h\r\nAccept: */*\r\nX-Lower: 2\r\n\r\n", "x-LOWER: 1\r\nHost: h\r\nAccept: */*\r\nX-Lower: 2\r\n"},
		{"spacing", "GET / HTTP/1.1\r\nHost:h\r\nA:  \t b  c \t\r\nEmpty:\r\n\r\n", "Host: h\r\nA: b  c\r\nEmpty: \r\n"},
		{"folded", "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", "nil"},
		{"bare LF", "GET / HTTP/1.1\nHost: h\n\n", "nil"},
		{"one bare LF", "GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", "nil"},
		{"1.0 without header", "GET /?q HTTP/1.0\r\n\r\n", ""},
		{"1.0 with header", "GET /?q HTTP/1.0\r\nuser-AGENT: me\r\n\r\n", "user-AGENT: me\r\n"},
		{"absolute form", "GET http://h/a HTTP/1.1\r\nhOST: h\r\n\r\n", "hOST: h\r\n"},
		{"absolute form, other host", "GET http://h/a HTTP/1.1\r\nHost: other\r\n\r\n", "nil"},
		{"changed since", "GET /changed HTTP/1.1\r\nHost: h\r\n\r\n", "nil"},
		{"pragma", "GET / HTTP/1.1\r\nHost: h\r\nPRAGMA: no-cache\r\n\r\n", "Host: h\r\nPRAGMA: no-cache\r\n"},
		{"cookies", "GET / HTTP/1.1\r\nCookie: a=1\r\nHost: h\r\ncookie: b=2\r\n\r\n", "Cookie: a=1\r\nHost: h\r\ncookie: b=2\r\n"},
		{"body", "POST /body HTTP/1.1\r\nHost: h\r\ncontent-length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: e\r\n\r\n", "Host: h\r\ncontent-length: 27\r\n"},
		{"chunked", "POST /body HTTP/1.1\r\nHost: h\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "Host: h\r\ntransfer-encoding: Chunked\r\n"},
	}
	for _, secure := range []bool{false, true} {
		config := &tls.Config{Certificates: []tls.Certificate{testcert.New(t, t.TempDir()).Certificate}}
		if !secure {
			config = nil
		}
		addr := serve(t, config, echoRaw)
		for _, test := range tests {
			t.Run(fmt.Sprintf("tls=%v/%s", secure, test.name), func(t *testing.T) {
				c := net.Conn(dial(t, addr))
				if secure {
					c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				}
				send(t, c, test.request)
				if got := body(t, bufio.NewReader(c)); got != test.want {
					t.Errorf("%q: got %q, want %q", test.request, got, test.want)
				}
			})
		}
	}
}

func body(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A client that keeps its connection gets it each time, although net/http's background read sometimes takes the first
// byte of the next request.
func TestRawHeaderKeepAlive(t *testing.T) {
	c := dial(t, serve(t, nil, echoRaw))
	r := bufio.NewReader(c)
	for i := range 1000 {
		want := fmt.Sprintf("hoST: x\r\nN: %d\r\n", i)
		request := fmt.Sprintf("GET / HTTP/1.1\r\n%s\r\n", want)
		if i%3 == 0 {
			want += "Content-Length: 5000\r\n"
			request = fmt.Sprintf("POST /body HTTP/1.1\r\n%s\r\n%s", want, strings.Repeat("GET /", 1000))
		}
		send(t, c, request)
		if got := body(t, r); got != want {
			t.Fatalf("request %d: got %q, want %q", i, got, want)
		}
	}
}

// Pipelined requests may get nil, never another's header, however the bytes are cut.
func TestRawHeaderPipelined(t *testing.T) {
	addr := serve(t, nil, echoRaw)
	first := "GET / HTTP/1.1\r\nHost: a\r\nN: 1\r\n\r\n"
	second := "GET / HTTP/1.1\r\nHost: a\r\nX: GET / HTTP/1.1\r\nN: 2\r\n\r\n"
	all := first + second + "GET / HTTP/1.1\r\nN: 3\r\nHost: a\r\n\r\n"
	for cut := 1; cut < len(all); cut++ {
		c := dial(t, addr)
		send(t, c, all[:cut])
		send(t, c, all[cut:])
		r := bufio.NewReader(c)
		for i, want := range []string{"Host: a\r\nN: 1\r\n", "Host: a\r\nX: GET / HTTP/1.1\r\nN: 2\r\n", "N: 3\r\nHost: a\r\n"} {
			if got := body(t, r); got != want && (got != "nil" || i == 0) {
				t.Fatalf("cut at %d, request %d: got %q, want %q", cut, i+1, got, want)
			}
		}
		c.Close()
	}
}

// A body does not pile up.
func TestRawHeaderForgetsBodies(t *testing.T) {
	const size = 4 << 20
	c := dial(t, serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h := &From(r.Context()).head
		h.mu.Lock()
		defer h.mu.Unlock()
		fmt.Fprint(w, len(*h.kept) < 16<<10)
	}))
	send(t, c, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
	send(t, c, strings.Repeat("x", size))
	if got := body(t, bufio.NewReader(c)); got != "true" {
		t.Errorf("kept bytes are bounded: got %q", got)
	}
}

func FuzzHeaderLines(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n"))
	f.Add([]byte("\r\nGET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(raw))))
		if err != nil {
			return
		}
		lines, ok := headerLines(raw, r.Method, r.RequestURI)
		if !ok {
			return
		}
		r.Header.Del("Host")
		out := MatchHeader(lines, r)
		if out == nil {
			return
		}
		again, err := http.ReadRequest(bufio.NewReader(strings.NewReader(r.Method + " / HTTP/1.1\r\n" + string(out) + "\r\n")))
		if err != nil {
			t.Fatalf("raw header %q cannot be read: %v", out, err)
		}
		again.Header.Del("Host")
		if fmt.Sprint(again.Header) != fmt.Sprint(r.Header) {
			t.Fatalf("raw header %q: got %v, want %v", out, again.Header, r.Header)
		}
	})
}
