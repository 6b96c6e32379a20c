package conn

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// errShared is why a whole connection is not touched for one of its requests.
var errShared = fmt.Errorf("connection carries other requests (HTTP/2): %w", errors.ErrUnsupported)

// Abort closes the connection now: pending and later reads and writes fail. It may be called from any thread and more than
// once. Over HTTP/2 it returns an error that is [errors.ErrUnsupported]: other requests are on the same connection; panic with
// [net/http.ErrAbortHandler] instead.
func (c *Conn) Abort() error {
	if c == nil {
		return errors.ErrUnsupported
	}
	if c.kind.Load() == shared {
		return errShared
	}
	if c.closed.Swap(true) {
		return nil
	}
	c.raw.received.close()
	if err := c.nc.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// ResetOnClose makes the later close, whoever does it, send RST instead of FIN; data that was not yet sent is lost. Errors are
// as those of [Conn.Abort].
func (c *Conn) ResetOnClose() error {
	if c == nil || c.tcp == nil {
		return errors.ErrUnsupported
	}
	if c.kind.Load() == shared {
		return errShared
	}
	if err := c.tcp.SetLinger(0); err != nil {
		return err
	}
	c.abortive.Store(true)
	return nil
}

// Alive tells whether the client is still there, as far as this system knows: it has not closed its side, nobody reset
// the connection, and neither did we. Nothing is read. A client that went away without a word looks alive.
func (c *Conn) Alive() bool {
	if c == nil || c.closed.Load() || c.gone.Load() {
		return false
	}
	alive, err := true, error(nil)
	if !c.control(func(fd uintptr) { alive, err = peek(fd) }) {
		return !c.closed.Load()
	}
	return alive && err == nil
}

// Descriptor is the socket itself: a file descriptor, on Windows a SOCKET. It stays ours and is valid until the
// connection closes; it is non-blocking. False: there is none.
func (c *Conn) Descriptor() (fd uintptr, ok bool) {
	if c == nil || c.closed.Load() {
		return 0, false
	}
	ok = c.control(func(d uintptr) { fd = d })
	return fd, ok
}

// sendQueue is how many bytes the client has not acknowledged. False: not known here.
func (c *Conn) sendQueue() (n int, ok bool) {
	var err error
	if !c.control(func(fd uintptr) { n, err = sendQueue(fd) }) {
		return 0, false
	}
	return n, err == nil
}

// control calls f with the socket; false: there is none, or it is closed.
func (c *Conn) control(f func(fd uintptr)) bool {
	s, ok := c.nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	return err == nil && raw.Control(f) == nil
}
