package filter

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
)

// memoryLimit is how much AllocMem gives a filter for one connection, in bytes.
const memoryLimit = 64 << 20

// memoryEnough is how much of that it may have, in bytes, before the connection is to end with a response. Filters that allocate for each
// request and leave the freeing to the end of the connection are many, and so are connections that would never end: those of a
// proxy.
const memoryEnough = 4 << 20

// Connection is one client connection as filters see it: for each of them one pFilterContext and the memory it allocated, from its
// first event on the connection to END_OF_NET_SESSION. A stream of HTTP/2 counts as a connection.
type Connection struct {
	secure bool

	mu       sync.Mutex // guards all below
	idle     sync.Cond  // inside is 0
	inside   int        // requests that run; one, unless one makes another
	ended    bool
	sessions []*session
	logon    logon // of the request that runs, like names
	names    names
}

// NewConnection begins one. The caller must call End.
func NewConnection(secure bool) *Connection {
	c := &Connection{secure: secure}
	c.idle.L = &c.mu
	return c
}

// End waits for a request that runs, tells each filter that had an event on the connection that it is over, and frees its memory.
// It may be called again.
func (c *Connection) End() {
	c.mu.Lock()
	c.ended = true
	for c.inside > 0 {
		c.idle.Wait()
	}
	sessions := c.sessions
	c.sessions = nil
	c.mu.Unlock()
	for _, s := range sessions {
		s.end()
		s.f.mu.Lock()
		delete(s.f.sessions, s) // only now: Filter.Close waits for those it finds
		s.f.mu.Unlock()
	}
}

// enter lets a request begin; false when the connection has ended.
func (c *Connection) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.inside++
	return true
}

func (c *Connection) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inside--; c.inside == 0 && c.ended {
		c.idle.Broadcast()
	}
}

// session is what f has for the connection.
func (c *Connection) session(f *Filter) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessionLocked(f)
}

func (c *Connection) sessionLocked(f *Filter) *session {
	for _, s := range c.sessions {
		if s.f == f {
			return s
		}
	}
	s := &session{f: f, c: c}
	s.mem.Limit = memoryLimit
	s.idle.L = &c.mu
	if s.traced.s = s; f.conf.Tap == nil {
		s.pfc = native.NewFilterContext(s)
	} else {
		s.pfc = native.NewFilterContext(&s.traced)
	}
	if c.secure {
		s.pfc.Struct().IsSecurePort = 1
	}
	s.blank = *s.pfc.Struct()
	s.mark()
	c.sessions = append(c.sessions, s)
	f.mu.Lock()
	if f.sessions != nil { // it is not closed
		f.sessions[s] = struct{}{}
	}
	f.mu.Unlock()
	return s
}

// forget drops the session of a filter that was closed.
func (c *Connection) forget(gone *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.sessions {
		if s == gone {
			c.sessions = append(c.sessions[:i:i], c.sessions[i+1:]...)
			return
		}
	}
}

// session is one filter on one connection: its HTTP_FILTER_CONTEXT, and the Go side of its callbacks.
type session struct {
	f       *Filter
	c       *Connection
	pfc     *native.FilterContext
	blank   isapi.FilterContext // what pfc holds at first
	mem     native.Memory       // of AllocMem
	taken   atomic.Int64        // bytes it was asked for
	round   uint64              // of the connection's logon in which it was asked
	touched atomic.Bool         // it had an event
	off     atomic.Uint32       // events it does not want to be told of in the request (SF_REQ_DISABLE_NOTIFICATIONS)

	// All below is guarded by c.mu.
	idle   sync.Cond // inside is less
	run    *run      // the request that is under way, or nil
	now    uint32    // the notification the filter is in, but for those of raw data; 0 for none
	raws   int       // notifications of raw data it is in
	inside int       // callbacks that use run
	rawNow *rawCall  // the notification of raw data it is in, or was in last

	rec    atomic.Pointer[trace.Recorder] // of run, or of what comes between requests; nil: nobody looks
	traced traced

	ending sync.Once
}

// join makes q the request that callbacks are about, and answers the one that was, with the callbacks that are inside that. s.c.mu is held.
func (s *session) join(q *run) (before *run, inside int) {
	before, s.run = s.run, q
	s.clean()
	s.begin(q.recorder)
	return before, s.inside
}

// part ends that: once it returns no callback uses the request any more. s.c.mu is held.
func (s *session) part(before *run, inside int) {
	var recorder *trace.Recorder
	if s.run = before; before != nil {
		recorder = before.recorder
	}
	s.begin(recorder)
	s.await(inside)
}

// begin has run be what calls are about from now on. A store that others may see costs more than a look. s.c.mu is held.
func (s *session) begin(recorder *trace.Recorder) {
	if s.rec.Load() != recorder {
		s.rec.Store(recorder)
	}
	if s.off.Load() != 0 {
		s.off.Store(0)
	}
	s.mark()
}

// mark says for the board which request the filter is in. s.c.mu is held, or nobody else has s.
func (s *session) mark() { s.pfc.Mark(s.request(), s.f.conf.Image.Number) }

// request is the ID of the one that is under way, 0 between requests. s.c.mu is held, or nobody else has s.
func (s *session) request() uint64 {
	if s.run == nil {
		return 0
	}
	return s.run.trail.Number()
}

// disabled tells whether the filter does not want to hear of an event in this request.
func (s *session) disabled(event uint32) bool { return s.off.Load()&event != 0 }

// end is the end of the connection for the filter, once; whoever calls it meanwhile waits for it. A filter that asked for nothing but
// this end is told of it too.
func (s *session) end() {
	s.ending.Do(func() {
		tell := s.touched.Load() || s.f.events == isapi.NotifyEndOfNetSession
		if tell && s.f.Wants(isapi.NotifyEndOfNetSession, s.c.secure) {
			defer time.AfterFunc(s.f.conf.LongEnd, s.f.endless).Stop()
			s.proc(isapi.NotifyEndOfNetSession, 0)
		}
		s.pfc.Release()
		s.mem.Free()
	})
}

// proc calls HttpFilterProc for one notification, and waits for callbacks that the filter has made from other threads meanwhile. errno
// is what it left; err is a contained fault, which was told of.
//
// A notification of raw data can come at the same time as another, on the thread that sends what was written: it is not waited for, as
// the other may be waiting to write.
func (s *session) proc(event uint32, pv uintptr) (status uint32, errno isapi.Error, err error) {
	raw := event&RawEvents != 0
	s.c.mu.Lock()
	before, inside, inRequest := s.now, s.inside, s.run != nil
	if raw {
		s.raws++
	} else {
		s.now = event
	}
	s.c.mu.Unlock()
	s.touch()
	s.clean()
	if s.f.conf.On == nil {
		status, errno, err = s.call(event, pv, inRequest)
	} else {
		status, errno, err = s.procOn(event, pv, inRequest)
	}
	s.c.mu.Lock()
	if raw {
		s.raws--
	} else {
		s.now = before
		s.await(inside)
	}
	q, request := s.run, s.request()
	s.c.mu.Unlock()
	if err != nil {
		return 0, 0, s.faulted(event, err, q)
	}
	s.overwritten(event, request)
	return status, errno, nil
}

// await waits until no more callbacks of the filter are inside than so many. s.c.mu is held.
func (s *session) await(inside int) {
	for s.inside > inside {
		s.idle.Wait()
	}
}

// faulted tells of a fault in a notification; q is the request, nil for none.
func (s *session) faulted(event uint32, err error, q *run) error {
	return s.f.fault("HttpFilterProc, "+isapi.Notification(event).String(), err, q.about()...)
}

// touch notes that the filter has an event.
func (s *session) touch() {
	if !s.touched.Load() { // a store that others may see costs more
		s.touched.Store(true)
	}
}

func (s *session) procOn(event uint32, pv uintptr, inRequest bool) (status uint32, errno isapi.Error, err error) {
	s.f.conf.On(func() { status, errno, err = s.call(event, pv, inRequest) })
	return status, errno, err
}
