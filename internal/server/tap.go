package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/conn"
)

// tap accepts from a socket until it is closed, and leaves the socket open: another one can go on with it. Every connection
// becomes a [*conn.Conn].
type tap struct {
	socket
	timeout time.Duration // of writes
	told    func(*conn.Conn)

	stopped atomic.Bool
	left    chan struct{} // closed when it will not touch the socket again
	once    sync.Once
}

func newTap(s socket, timeout time.Duration, told func(*conn.Conn)) *tap {
	return &tap{socket: s, timeout: timeout, told: told, left: make(chan struct{})}
}

// Accept implements [net.Listener]. Only one goroutine may call it.
func (t *tap) Accept() (net.Conn, error) {
	if t.stopped.Load() {
		t.leave()
		return nil, net.ErrClosed
	}
	c, err := t.socket.Accept()
	switch {
	case err == nil:
		wrapped := conn.Wrap(c)
		wrapped.SetWriteTimeout(t.timeout)
		t.told(wrapped)
		return wrapped, nil
	case t.stopped.Load() && errors.Is(err, os.ErrDeadlineExceeded):
		t.leave()
		return nil, net.ErrClosed
	case errors.Is(err, net.ErrClosed):
		return nil, err
	}
	return nil, &passing{err}
}

// passing is an error of one connection, or of a lack that may end: net/http logs it, waits up to a second and accepts again. accept(2) hands over what
// befell the connection, a firewall's no (EPERM), or that there is no memory, and net/http would end the server for these; so it would for what Wine 8
// answers now and then.
type passing struct{ error }

func (e *passing) Unwrap() error { return e.error }

// Timeout and Temporary implement [net.Error].
func (*passing) Timeout() bool   { return false }
func (*passing) Temporary() bool { return true }

func (t *tap) leave() { t.once.Do(func() { close(t.left) }) }

// Close implements [net.Listener]: it ends Accept, and only that. A connection that was just accepted is still handed over.
func (t *tap) Close() error {
	if t.stopped.Swap(true) {
		return nil
	}
	return t.socket.SetDeadline(time.Unix(1, 0))
}
