package conn

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// filtering puts filters on a connection; nil: none.
var filtering func(c *Conn)

// wrapping is what package server does, without its limits.
type wrapping struct {
	net.Listener
	tls *tls.Config
}

func (l wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	wrapped := Wrap(c)
	if filtering != nil {
		filtering(wrapped)
	}
	if l.tls == nil {
		return wrapped, nil
	}
	t := Server(wrapped, l.tls)
	if err := t.Handshake(); err != nil {
		return t, nil
	}
	return Secured(t), nil
}

// serve runs handler until the test ends and returns its address.
func serve(t *testing.T, config *tls.Config, handler http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(handler)
	_ = s.Listener.Close()
	s.Listener = wrapping{l, config}
	s.Config.TLSConfig = config
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return NewContext(ctx, Of(c)) }
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateActive:
			Of(c).RequestBegun()
		case http.StateIdle:
			Of(c).RequestEnded()
		case http.StateClosed:
			Of(c).Ended()
		default: // nothing to tell
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return l.Addr().String()
}

// dial connects a raw client that gives up after a minute.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// send writes text as it is.
func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// statusLine reads one response and returns its first line.
func statusLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.Peek(1)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	_ = line
	first, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(joined{strings.NewReader(first), r}), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = response.Body.Read(make([]byte, 1<<16))
	return strings.TrimSuffix(first, "\r\n")
}

// joined reads one byte at a time, so that nothing of the next response is taken.
type joined struct {
	first *strings.Reader
	rest  *bufio.Reader
}

func (j joined) Read(p []byte) (int, error) {
	if j.first.Len() > 0 {
		return j.first.Read(p)
	}
	return j.rest.Read(p[:1])
}

func get(path string, lines ...string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, strings.Join(lines, ""))
}
