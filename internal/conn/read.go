package conn

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// reading is the clock of the receiving side. Two parties set deadlines: the HTTP server (header, idle, "now" to wake its
// own background read), and we, for a body that makes no progress.
type reading struct {
	limit   atomic.Int64 // ns a body read may wait; 0: none
	expired atomic.Bool  // a body read waited too long; nothing more is read of this body

	mu     sync.Mutex
	server time.Time // guarded by mu: the HTTP server's own deadline
	armed  time.Time // guarded by mu: ours as last set on the socket; zero: the socket has the server's
}

// SetBodyTimeout makes every read of the current request's body fail with [os.ErrDeadlineExceeded] when nothing arrives
// for d (at most d/4 later). It holds until the next request; 0 ends it. A total time there is none: an upload may take hours.
func (c *Conn) SetBodyTimeout(d time.Duration) {
	if c != nil {
		c.reading.limit.Store(int64(d))
	}
}

// BodyTimedOut tells whether a read of the current request's body failed for [Conn.SetBodyTimeout].
func (c *Conn) BodyTimedOut() bool {
	return c != nil && c.reading.expired.Load()
}

func (r *reading) endBody() {
	r.limit.Store(0)
	r.expired.Store(false)
}

// SetReadDeadline implements [net.Conn]. Setting "none" when there is none costs nothing: net/http does so twice per request.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c == nil {
		return net.ErrClosed
	}
	c.raw.received.interrupt(t)
	r := &c.reading
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.IsZero() && r.server.IsZero() && r.armed.IsZero() {
		return nil
	}
	r.server, r.armed = t, time.Time{}
	return c.nc.SetReadDeadline(t)
}

// beforeRead sets the deadline for a body read of size bytes. A read of one byte is net/http's background read, by which
// it learns during a handler that the client left: it may wait for ever.
func (c *Conn) beforeRead(size int) error {
	d := time.Duration(c.reading.limit.Load())
	if d <= 0 || size <= 1 {
		return nil
	}
	r := &c.reading
	if r.expired.Load() {
		return os.ErrDeadlineExceeded
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.armed.IsZero() && r.armed.Sub(now) >= d {
		return nil
	}
	t := now.Add(d + d/4)
	if !r.server.IsZero() && r.server.Before(t) {
		r.armed, t = time.Time{}, r.server
	} else {
		r.armed = t
	}
	return c.nc.SetReadDeadline(t)
}

// noteBodyTimeout remembers that the time limit for the body was reached.
func (c *Conn) noteBodyTimeout(err error, size int) {
	r := &c.reading
	if size <= 1 || r.limit.Load() <= 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	r.mu.Lock()
	ours := !r.armed.IsZero()
	r.mu.Unlock()
	if ours {
		r.expired.Store(true)
	}
}

func (c *Conn) noteReadError(err error) {
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.gone.Store(true)
	}
}
