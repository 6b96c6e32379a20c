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
// own background read), and we, for a body that makes no progress. The socket is told when it is read: the HTTP server sets six deadlines
// for a request, and reads under two of them.
type reading struct {
	limit   atomic.Int64 // ns a body read may wait; 0: none
	expired atomic.Bool  // a body read waited too long; nothing more is read of this body
	inside  atomic.Int32 // reads of the socket that are under way

	mu     sync.Mutex // guards all below
	server time.Time  // the HTTP server's own deadline
	armed  time.Time  // ours, which holds instead; zero: the server's holds
	told   time.Time  // what the socket has
}

// tell has the socket know the deadline that holds. The caller holds mu.
func (r *reading) tell(socket net.Conn) error {
	t := r.server
	if !r.armed.IsZero() {
		t = r.armed
	}
	if t.Equal(r.told) {
		return nil
	}
	r.told = t
	return socket.SetReadDeadline(t)
}

// socket is the connection as it is, to be read from.
type socket struct{ c *Conn }

func (s socket) Read(p []byte) (int, error) {
	r := &s.c.reading
	r.inside.Add(1) // before anybody can set another deadline
	defer r.inside.Add(-1)
	r.mu.Lock()
	_ = r.tell(s.c.nc) // fails only on a closed connection, and then so does the read
	r.mu.Unlock()
	return s.c.nc.Read(p)
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

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c == nil {
		return net.ErrClosed
	}
	c.raw.received.interrupt(t)
	r := &c.reading
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server, r.armed = t, time.Time{}
	if r.inside.Load() == 0 {
		return nil
	}
	return r.tell(c.nc)
}

// beforeRead decides on the deadline for a body read of size bytes. A read of one byte is net/http's background read, by which
// it learns during a handler that the client left: it may wait for ever.
func (r *reading) beforeRead(size int) error {
	d := time.Duration(r.limit.Load())
	if d <= 0 || size <= 1 {
		return nil
	}
	if r.expired.Load() {
		return os.ErrDeadlineExceeded
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.armed.IsZero() && r.armed.Sub(now) >= d {
		return nil
	}
	r.armed = now.Add(d + d/4)
	if !r.server.IsZero() && r.server.Before(r.armed) {
		r.armed = time.Time{}
	}
	return nil
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
