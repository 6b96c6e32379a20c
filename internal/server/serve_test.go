package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/conn"
)

// start serves sites until the test ends and returns the server, which listens on its addresses.
func start(t testing.TB, limits Limits, sites ...Site) *Server {
	t.Helper()
	return prepared(t, func(*Server) {}, limits, sites...)
}

// prepared is start for a server that something is done with before it listens.
func prepared(t testing.TB, prepare func(*Server), limits Limits, sites ...Site) *Server {
	t.Helper()
	s, err := New(sites, limits, slog.New(slog.NewTextHandler(testLog{t}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	prepare(s)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // the test is over
		if err := s.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, ErrClosed) {
			t.Errorf("serve: got %v, want ErrClosed", err)
		}
	})
	return s
}

// testLog shows the server's log with a failed test.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

// site is one with an error page that can be told from net/http's.
func site(name string, handler http.HandlerFunc, bindings ...Binding) Site {
	if len(bindings) == 0 {
		bindings = []Binding{{Addr: "127.0.0.1:0"}}
	}
	return Site{Name: name, Handler: handler, Bindings: bindings, Error: func(w http.ResponseWriter, _ *http.Request, status, substatus int) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "%s page %d.%d", name, status, substatus)
	}}
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func (s *Server) url() string { return "http://" + s.Addrs()[0].String() }

// dial connects a raw client that gives up after a minute.
func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads one response: its status and body.
func answer(t testing.TB, r *bufio.Reader) (int, string) {
	t.Helper()
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("half an answer: %v", err)
	}
	return response.StatusCode, string(body)
}

// ask sends request on a connection of its own and returns the answer.
func ask(t testing.TB, addr, request string) (int, string) {
	t.Helper()
	c := dial(t, addr)
	send(t, c, request)
	return answer(t, bufio.NewReader(c))
}

// gate is a handler that says when it runs and waits.
type gate struct {
	entered chan struct{}
	leave   chan struct{}
	once    sync.Once
}

func newGate(t testing.TB) *gate {
	g := &gate{entered: make(chan struct{}, 1000), leave: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.leave) }) }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.entered <- struct{}{}
	<-g.leave
	hello(w, r)
}

func get(path, host string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
}

func contains(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}

// TestOnAccept: each connection is told of once, before the first request on it.
func TestOnAccept(t *testing.T) {
	a := newAuthority(t)
	for _, secure := range []bool{false, true} {
		b, scheme := Binding{Addr: "127.0.0.1:0"}, "http://"
		if secure {
			b, scheme = a.binding("a.test"), "https://"
		}
		var told sync.Map
		s := prepared(t, func(s *Server) {
			s.OnAccept(func(c *conn.Conn, over bool) {
				if _, again := told.LoadOrStore(c.Number(), true); again || over != secure {
					t.Errorf("secure %v: told of %d, secure %v, again %v", secure, c.Number(), over, again)
				}
			})
		}, Limits{}, site("a", func(w http.ResponseWriter, r *http.Request) {
			c := conn.From(r.Context())
			_, known := told.Load(c.Number())
			fmt.Fprint(w, c.Number(), known)
		}, b))
		client := a.client(s, false)
		_, first := fetch(t, client, scheme+"a.test/")
		_, again := fetch(t, client, scheme+"a.test/")
		client.CloseIdleConnections()
		_, second := fetch(t, client, scheme+"a.test/")
		if first != again || first == second || !strings.HasSuffix(second, "true") {
			t.Errorf("secure %v: %s, %s, %s", secure, first, again, second)
		}
	}
}
