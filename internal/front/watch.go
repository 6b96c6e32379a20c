package front

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/server"
	"github.com/isapid/isapid/internal/site"
	"github.com/isapid/isapid/internal/spans"
)

// Watcher is told of every request: of those that extensions and filters answer, of files, and of what is refused before a site has seen it.
// Access log, metrics, spans and tapes are watchers.
type Watcher interface {
	// Begin is called on the goroutine of the request before anything else. It must not block.
	Begin(s *Seen)

	// End is called after the last byte, also when the response broke off. It must not block, and keeps neither s nor what is in it: another
	// request may have it next.
	End(s *Seen)
}

// Seen is a request that is watched.
type Seen struct {
	Request *http.Request       // Begin may put a copy with another body in its place
	Writer  http.ResponseWriter // Begin may wrap it; the wrapper has the method Unwrap
	Trail   executor.Trail      // Begin may set its Trace
	Record  site.Record         // Begin may set Timed; the rest is for End

	// For End.
	Status, Substatus int // Status 0: nothing was sent
	Win32             uint32
	Body              int64 // bytes of the response's body
	Took              time.Duration
	Complete          bool // false: the response broke off
	ClientGone        bool // the client was no longer there

	span       *spans.Span // nil: none is made
	on         *conn.Conn  // nil: not one of ours
	shard      *shard
	next, prev *Seen // in the shard
}

// SiteRecord implements [site.Recorded].
func (s *Seen) SiteRecord() *site.Record { return &s.Record }

// Local is the address that the request came to; nil: it is not known.
func (s *Seen) Local() net.Addr {
	if s.on != nil {
		return s.on.LocalAddr()
	}
	addr, _ := s.Request.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return addr
}

// watch sees every request of the server, keeps those in flight, counts them, and tells watchers. It is a [server.Observer].
type watch struct {
	mu       sync.Mutex                // guards changes of watchers
	watchers atomic.Pointer[[]Watcher] // nil: none
	last     atomic.Uint64             // ID of a request
	shards   [32]shard
}

// shard is a part of the requests in flight, so that two requests seldom meet.
type shard struct {
	mu     sync.Mutex // guards all below, and next and prev of those in it
	first  *Seen
	inside int64
	ended  int64
	broken int64 // responses that had begun and could not be completed
	_      [16]byte
}

var _ server.Observer = (*watch)(nil)

// begin begins to number requests. A server that is started later goes on with higher numbers.
func (t *watch) begin() { t.last.Store(uint64(time.Now().UnixNano())) }

// add has a watcher told, of requests that begin from now on. It may be told of the end of one whose begin it was not told of.
func (t *watch) add(w Watcher) (remove func()) {
	change := func(f func(list []Watcher) []Watcher) {
		t.mu.Lock()
		defer t.mu.Unlock()
		var list []Watcher
		if now := t.watchers.Load(); now != nil {
			list = slices.Clone(*now)
		}
		if list = f(list); len(list) == 0 {
			t.watchers.Store(nil)
		} else {
			t.watchers.Store(&list)
		}
	}
	change(func(list []Watcher) []Watcher { return append(list, w) })
	return func() {
		change(func(list []Watcher) []Watcher {
			i := slices.Index(list, w)
			return slices.Delete(list, i, i+1)
		})
	}
}

// Begin implements [server.Observer].
func (t *watch) Begin(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request, any) {
	on := conn.From(r.Context())
	s, kept := on.Request().(*Seen)
	if !kept { // else it is that of the last request on this connection, which has ended
		s = &Seen{on: on}
		kept = on.SetRequest(s)
	}
	id := t.last.Add(1)
	s.Trail.Reset(id, time.Now())
	s.Record = site.Record{Trail: &s.Trail}
	if !kept {
		r = site.WithRecord(r, &s.Record)
	}
	s.Request, s.Writer = r, w
	if list := t.watchers.Load(); list != nil {
		for _, watcher := range *list {
			watcher.Begin(s)
		}
	}
	at := &t.shards[id%uint64(len(t.shards))]
	s.shard = at
	at.mu.Lock()
	if s.next = at.first; s.next != nil {
		s.next.prev = s
	}
	at.first = s
	at.inside++
	at.mu.Unlock()
	return s.Writer, s.Request, s
}

// NoSite implements [server.Observer].
func (t *watch) NoSite(seen any, status int) { seen.(*Seen).Record.Status = status }

// End implements [server.Observer].
func (t *watch) End(seen any, complete bool) {
	s := seen.(*Seen)
	s.Complete = complete
	s.Took = time.Since(s.Trail.Began)
	s.settle()
	s.leave()
	if list := t.watchers.Load(); list != nil {
		for _, watcher := range *list {
			watcher.End(s)
		}
	}
	s.release()
}

// leave takes the request out of those in flight.
func (s *Seen) leave() {
	at := s.shard
	at.mu.Lock()
	defer at.mu.Unlock()
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		at.first = s.next
	}
	s.next, s.prev = nil, nil
	at.inside--
	at.ended++
	if !s.Complete {
		at.broken++
	}
}

// settle finds out what became of the request.
func (s *Seen) settle() {
	rec := &s.Record
	s.Status, s.Substatus, s.Win32, s.Body = rec.Status, rec.Substatus, 0, rec.Bytes
	if res := rec.Result; res != nil {
		s.Status, s.Substatus, s.Win32, s.Body = res.Status, res.Substatus, res.Win32, res.Bytes
	} else if s.Status == 0 && s.Complete {
		s.Status = http.StatusOK // net/http sends it for a handler that wrote nothing
	}
	s.ClientGone = s.on.Broke() || s.Request.Context().Err() != nil
}

// release gives s to the next request on its connection, unless somebody may have it still: a worker that hangs, what it asks about the
// request, or a thread that was left behind by a fault.
func (s *Seen) release() {
	res := s.Record.Result
	if !s.Complete || s.ClientGone || s.Status >= http.StatusInternalServerError || s.Status == http.StatusRequestHeaderFieldsTooLarge || res != nil && (res.Fault != nil || res.Broken) {
		s.on.SetRequest(nil)
		return
	}
	s.Request, s.Writer = nil, nil
}

// find finds the request with an ID; false: it is not in flight.
func (t *watch) find(id uint64, look func(*Seen)) bool {
	at := &t.shards[id%uint64(len(t.shards))]
	at.mu.Lock()
	defer at.mu.Unlock()
	for s := at.first; s != nil; s = s.next {
		if s.Trail.ID == id {
			look(s)
			return true
		}
	}
	return false
}

// each looks at all requests in flight, in no order. Of a request the ID, the beginning, what can be asked of its trail, its application, and
// method, URL and client may be looked at.
func (t *watch) each(look func(*Seen)) {
	for i := range t.shards {
		at := &t.shards[i]
		at.mu.Lock()
		for s := at.first; s != nil; s = s.next {
			look(s)
		}
		at.mu.Unlock()
	}
}

// count is how many requests have ended, are running, and have ended broken.
func (t *watch) count() (ended, running, broken int64) {
	for i := range t.shards {
		at := &t.shards[i]
		at.mu.Lock()
		ended, running, broken = ended+at.ended, running+at.inside, broken+at.broken
		at.mu.Unlock()
	}
	return ended, running, broken
}
