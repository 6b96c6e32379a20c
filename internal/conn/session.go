package conn

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Kept is something that lives as long as a connection, as what filters keep with it.
type Kept interface {
	// End is called once, when the connection is closed and no request runs on it any more, on a goroutine that holds nothing
	// of the HTTP server. It may take its time: whoever shuts the server down waits for it.
	End()
}

// session is what is kept with one connection.
type session struct {
	number uint64

	mu   sync.Mutex // guards all below
	kept []entry
	over bool
}

type entry struct {
	key  any
	kept Kept
}

// gone tells whether its key is of no use any more.
func (e entry) gone() bool {
	k, ok := e.key.(interface{ Gone() <-chan struct{} })
	if !ok {
		return false
	}
	select {
	case <-k.Gone():
		return true
	default:
		return false
	}
}

var lastNumber atomic.Uint64

// Number tells the connection from all others of this process, those that are over too. It is 0 where a request has nothing to
// share with the next one: over HTTP/2, where each stream counts as a connection of its own, and without a connection of ours.
func (c *Conn) Number() uint64 {
	if c == nil || c.kind.Load() == shared {
		return 0
	}
	return c.session.number
}

// Keep finds what is kept with the connection under a key, which must be comparable; the first time it is what fresh makes. It is ended
// with the connection. What is kept under a key with a method Gone, whose channel is closed, is forgotten sooner or later, without End:
// there may be connections that outlive many such keys. False: nothing is kept, as over HTTP/2, on a connection that is over, and without one of ours; then whoever
// needs something for a request makes it, and ends it.
func (c *Conn) Keep(key any, fresh func(*Conn) Kept) (v Kept, ok bool) {
	if c.Number() == 0 {
		return nil, false
	}
	s := &c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, false
	}
	for _, e := range s.kept {
		if e.key == key {
			return e.kept, true
		}
	}
	v = fresh(c)
	s.kept = append(slices.DeleteFunc(s.kept, entry.gone), entry{key, v})
	return v, true
}

// AtEnd has f called as [Kept].End is. Only the first f for a key counts. False: it will not be called, as nothing is kept; see
// [Conn.Keep].
func (c *Conn) AtEnd(key any, f func()) bool {
	_, ok := c.Keep(key, func(*Conn) Kept { return atEnd(f) })
	return ok
}

type atEnd func()

func (f atEnd) End() { f() }

// Ended tells that the connection is closed and no request runs on it any more (http.StateClosed): what is kept with it ends, in the
// order in which it came, before Ended returns.
func (c *Conn) Ended() {
	if c == nil {
		return
	}
	s := &c.session
	s.mu.Lock()
	list := s.kept
	s.kept, s.over = nil, true
	s.mu.Unlock()
	for _, e := range list {
		e.kept.End()
	}
}
