package filters

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// response is a whole answer.
type response struct {
	*http.Response
	line string // the status line
	body string
}

// client is one connection, which fails after 20 s without progress. Several may not use it at a time.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

// newClient is one without a test, which can only read.
func newClient(conn net.Conn) *client { return &client{nil, conn, bufio.NewReader(conn)} }

func (s *server) dial() *client {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.HasPrefix(s.url, "https:") {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	c := &client{s.t, conn, bufio.NewReader(conn)}
	s.t.Cleanup(func() { conn.Close() })
	return c
}

// send sends text as it is.
func (c *client) send(text string) {
	c.t.Helper()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// read reads one response to a request with the method.
func (c *client) read(method string) (response, error) {
	line, err := c.r.Peek(12)
	if err != nil {
		return response{}, fmt.Errorf("no answer: %w (%q)", err, line)
	}
	rest, _ := c.r.Peek(c.r.Buffered())
	res := response{}
	res.line, _, _ = strings.Cut(string(rest), "\r\n")
	if res.Response, err = http.ReadResponse(c.r, &http.Request{Method: method}); err != nil {
		return res, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	res.body = string(body)
	return res, err
}

// ask sends a request of a line like "GET /page.txt" and header lines, and reads the answer. A body follows a header that is "".
func (c *client) ask(request string, header ...string) response {
	c.t.Helper()
	res, err := c.try(request, header...)
	if err != nil {
		c.t.Fatalf("%s %q: %v", request, header, err)
	}
	return res
}

func (c *client) try(request string, header ...string) (response, error) {
	c.t.Helper()
	c.send(text(request, header...))
	method, _, _ := strings.Cut(request, " ")
	return c.read(method)
}

// text is a request as it is sent.
func text(request string, header ...string) string {
	if strings.Count(request, " ") < 2 {
		request += " HTTP/1.1"
	}
	var b strings.Builder
	b.WriteString(request + "\r\nHost: test.example\r\n")
	for i, h := range header {
		if h == "" {
			body := strings.Join(header[i+1:], "")
			fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
			return b.String()
		}
		b.WriteString(h + "\r\n")
	}
	return b.String() + "\r\n"
}

// get asks on a connection of its own, which is closed then.
func (s *server) get(target string, header ...string) response {
	s.t.Helper()
	return s.once("GET "+target, header...)
}

func (s *server) once(request string, header ...string) response {
	s.t.Helper()
	c := s.dial()
	defer c.Close()
	return c.ask(request, append([]string{"Connection: close"}, header...)...)
}

// do is the header that tells tracing filters what to do.
func do(steps string) string { return "X-Do: " + steps }

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// want compares an answer with a status and a body; a body of "*" is any.
func (r response) want(t *testing.T, status int, body string) {
	t.Helper()
	if r.StatusCode != status || body != "*" && r.body != body {
		t.Errorf("got %s %v, %q; want %d, %q", r.line, r.Header, r.body, status, body)
	}
}

// wantHeader compares all values of a header.
func (r response) wantHeader(t *testing.T, name, values string) {
	t.Helper()
	if got := strings.Join(r.Header.Values(name), ", "); got != values {
		t.Errorf("%s is %q, want %q", name, got, values)
	}
}
