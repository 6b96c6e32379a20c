package server

import (
	"context"
	"net"
	"net/http"
	"syscall"
	"testing"

	"golang.org/x/sys/windows"
)

// TestExclusive: nobody listens beside us who asks to share the address.
func TestExclusive(t *testing.T) {
	s, err := New([]Site{{Name: "a", Bindings: []Binding{{Addr: "127.0.0.1:0"}}, Handler: http.NotFoundHandler()}}, Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	share := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		e := c.Control(func(fd uintptr) {
			err = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
		})
		if e != nil {
			return e
		}
		return err
	}}
	if l, err := share.Listen(context.Background(), "tcp", s.endpoints[0].socket.Addr().String()); err == nil {
		l.Close()
		t.Error("another listens on the address, too")
	}
}
