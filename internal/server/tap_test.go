package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
)

// balky is a socket whose first calls of Accept fail.
type balky struct {
	socket
	failures atomic.Int32
}

func (b *balky) Accept() (net.Conn, error) {
	if b.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EPERM}
	}
	return b.socket.Accept()
}

// A connection that cannot be accepted, here because a firewall says no, does not end the server.
func TestAcceptFails(t *testing.T) {
	a := newAuthority(t)
	for name, binding := range map[string]Binding{"plain": {Addr: "127.0.0.1:0"}, "tls": a.binding("a.test")} {
		t.Run(name, func(t *testing.T) {
			s, err := New([]Site{site("s", hello, binding)}, Limits{}, slog.New(slog.NewTextHandler(testLog{t}, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Listen(); err != nil {
				t.Fatal(err)
			}
			b := &balky{socket: s.endpoints[0].socket}
			b.failures.Store(3)
			s.endpoints[0].socket = b
			served := make(chan error, 1)
			go func() { served <- s.Serve() }()
			client := &http.Client{Transport: &http.Transport{
				DisableKeepAlives: true,
				DialContext:       (&redirect{s.Addrs()[0].String()}).dial,
				TLSClientConfig:   &tls.Config{RootCAs: a.pool},
			}}
			url := "http://a.test/"
			if name == "tls" {
				url = "https://a.test/"
			}
			for range 2 {
				if _, body := fetch(t, client, url); body != "hello" {
					t.Errorf("got %q", body)
				}
			}
			if err := s.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			if err := <-served; !errors.Is(err, ErrClosed) {
				t.Errorf("serve: got %v, want ErrClosed", err)
			}
		})
	}
}
