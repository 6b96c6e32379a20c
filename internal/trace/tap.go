package trace

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mostSubscriptions = 8
	flushEvery        = 50 * time.Millisecond // how long an event may lie in the process that took it
)

// Tap is where the calls of the images of a process are listened to. The zero value is one that nobody listens to. It must not be copied.
//
// Requests that begin while somebody listens are recorded to their end, or until nobody does; those that are inside already are not.
type Tap struct {
	set   atomic.Pointer[set]
	every time.Duration // between flushes, if it is not flushEvery: for tests

	changing sync.Mutex // held by Set
	quit     chan struct{}
	gone     chan struct{}

	mu   sync.Mutex // guards live
	live *Recorder  // a list of all that have not ended
}

// set is who listens.
type set struct {
	subs    []*compiled
	to      Sink
	base    time.Time // times are counted from here
	whereto bool      // somebody asks for a site, an application or a pool
}

// On says whether anybody listens. It costs one load.
func (t *Tap) On() bool { return t != nil && t.set.Load() != nil }

// NeedsPlace says whether anybody asks for the site, the application or the pool of a request: then [About] must have them.
func (t *Tap) NeedsPlace() bool {
	if t == nil {
		return false
	}
	s := t.set.Load()
	return s != nil && s.whereto
}

// Set says who listens from now on, all of them; none: nobody does. Those who have listened before go on under the same ID, and what
// was recorded for the others is dropped. An error is about a filter that cannot be read, and changes nothing.
func (t *Tap) Set(list []Subscription, to Sink) error {
	if len(list) > mostSubscriptions {
		return fmt.Errorf("%d listen already, and that is all who can", mostSubscriptions)
	}
	next := &set{to: to, base: time.Now()}
	for _, s := range list {
		c, err := compile(s)
		if err != nil {
			return err
		}
		next.subs = append(next.subs, c)
		next.whereto = next.whereto || c.f.Site != "" || c.f.App != "" || c.f.Pool != ""
	}
	if len(list) > 0 && to == nil {
		return errors.New("there is nobody to give events to")
	}
	t.changing.Lock()
	defer t.changing.Unlock()
	if len(list) == 0 {
		t.set.Store(nil)
		t.keep(nil)
		if t.quit != nil {
			close(t.quit)
			<-t.gone
			t.quit = nil
		}
		return nil
	}
	t.set.Store(next)
	t.keep(next.subs)
	if t.quit == nil {
		t.quit, t.gone = make(chan struct{}), make(chan struct{})
		go t.flush(t.quit, t.gone)
	}
	return nil
}

// keep has recorders record no more for others than these.
func (t *Tap) keep(subs []*compiled) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := t.live; r != nil; r = r.next {
		r.keep(subs)
	}
}

// flush sends what recorders have, now and then, until quit.
func (t *Tap) flush(quit <-chan struct{}, gone chan<- struct{}) {
	defer close(gone)
	tick := time.NewTicker(cmp.Or(t.every, flushEvery))
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
			t.mu.Lock()
			for r := t.live; r != nil; r = r.next {
				r.Flush()
			}
			t.mu.Unlock()
		}
	}
}

// Begin is the beginning of a request, or of something that happens to an image outside of requests. It answers a recorder if anybody
// wants to know, which the caller must End; nil if not.
func (t *Tap) Begin(a *About) *Recorder {
	if t == nil {
		return nil
	}
	s := t.set.Load()
	if s == nil {
		return nil
	}
	var r *Recorder
	for _, c := range s.subs {
		if !c.request(a) {
			continue
		}
		if r == nil {
			r = &Recorder{tap: t, request: a.Request, to: s.to, base: s.base, unix: s.base.UnixNano()}
			r.parts = r.one[:0]
		}
		r.parts = append(r.parts, part{c: c})
		r.body = max(r.body, c.f.Body)
	}
	if r != nil {
		t.enlist(r)
	}
	return r
}

func (t *Tap) enlist(r *Recorder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.next = t.live; r.next != nil {
		r.next.prev = r
	}
	t.live = r
	if now := t.set.Load(); now == nil {
		r.keep(nil) // everybody has left meanwhile
	} else if now.base != r.base {
		r.keep(now.subs)
	}
}

func (t *Tap) dismiss(r *Recorder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		t.live = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.next, r.prev = nil, nil
}
