package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/conn"
)

// A request that runs is answered, an idle connection is closed, a new one is refused.
func TestShutdownGraceful(t *testing.T) {
	g := newGate(t)
	s := start(t, Limits{}, site("s", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/idle" {
			hello(w, r)
			return
		}
		g.ServeHTTP(w, r)
	}))
	addr := s.Addrs()[0].String()
	idle := dial(t, addr)
	send(t, idle, get("/idle", "h"))
	idleReader := bufio.NewReader(idle)
	answer(t, idleReader)
	busy := dial(t, addr)
	send(t, busy, get("/", "h"))
	<-g.entered

	done := make(chan error)
	go func() { done <- s.Shutdown(context.Background()) }()
	if _, err := idleReader.ReadByte(); err != io.EOF {
		t.Errorf("idle connection: got %v, want EOF", err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("new connection: got one")
	}
	select {
	case err := <-done:
		t.Fatalf("shutdown returned %v while a request ran", err)
	default:
	}
	g.open()
	if status, body := answer(t, bufio.NewReader(busy)); status != 200 || body != "hello" {
		t.Errorf("running request: got %d %q", status, body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("second shutdown: %v", err)
	}
}

// When the time is over, requests are cut and counted, and Shutdown still waits for their handlers.
func TestShutdownForced(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan struct{}, 2)
	s := start(t, Limits{}, site("s", func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}))
	var clients []net.Conn
	for range 2 {
		c := dial(t, s.Addrs()[0].String())
		clients = append(clients, c)
		send(t, c, get("/", "h"))
		<-entered
	}
	dial(t, s.Addrs()[0].String()) // one that never asked is no request
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.Shutdown(ctx)
	contains(t, err, "2 requests were cut")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it to wrap the context's error", err)
	}
	if len(ended) != 2 {
		t.Errorf("handlers ended when Shutdown returned: got %d, want 2", len(ended))
	}
	for _, c := range clients {
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("client of a cut request: got %d bytes, %v, want an end", n, err)
		}
	}
}

// A listener that fails ends Serve with its error.
func TestServeListenerFails(t *testing.T) {
	s, err := New([]Site{site("s", hello, Binding{Addr: "127.0.0.1:0"}, Binding{Addr: "[::1]:0"})}, Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Skip(err) // no IPv6 here
	}
	s.endpoints[1].close()
	if err := s.Serve(); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("serve: got %v, want the listener's error", err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// The handler has net/http's own writer, and its connection.
func TestHandlerSees(t *testing.T) {
	s := start(t, Limits{}, site("s", func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Hijacker); !ok {
			t.Errorf("writer: got %T, want net/http's own", w)
		}
		c := conn.From(r.Context())
		if !c.Alive() {
			t.Error("no live connection in the context")
		}
		c.SetReason(200, "Fine")
		_, _ = w.Write(c.RawHeader(r))
	}))
	c := dial(t, s.Addrs()[0].String())
	r := bufio.NewReader(c)
	for range 3 {
		send(t, c, "GET / HTTP/1.1\r\nhOST: h\r\n\r\n")
		line, _ := r.Peek(len("HTTP/1.1 200 Fine\r"))
		if !strings.HasPrefix(string(line), "HTTP/1.1 200 Fine\r") {
			t.Errorf("status line: got %q", line)
		}
		if _, body := answer(t, r); body != "hOST: h\r\n" {
			t.Errorf("raw header: got %q", body)
		}
	}
}
