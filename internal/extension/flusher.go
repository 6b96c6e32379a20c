package extension

import (
	"sync"
	"time"
)

// flusher sends what was written to responses whose extension goes on without writing more. Most responses are over long
// before; one sweep for all of an extension costs each of them less than a timer of its own.
type flusher struct {
	every time.Duration // two sweeps are the longest wait

	mu    sync.Mutex // guards all below, and place, seen and sweeping of every response in the list
	idle  sync.Cond  // a response is no longer being swept
	list  []*response
	timer *time.Timer
	on    bool // the timer runs
}

func newFlusher(longest time.Duration) *flusher {
	f := &flusher{every: max(longest/2, time.Millisecond)}
	f.idle.L = &f.mu
	f.timer = time.AfterFunc(time.Hour, f.sweep)
	f.timer.Stop()
	return f
}

// add puts a response with something to flush under the flusher's care.
func (f *flusher) add(s *response) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.place = len(f.list)
	f.list = append(f.list, s)
	if !f.on {
		f.on = true
		f.timer.Reset(f.every)
	}
}

// remove takes it out again, and waits for a flush that is under way. The response's lock must not be held.
func (f *flusher) remove(s *response) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s.sweeping {
		f.idle.Wait()
	}
	last := len(f.list) - 1
	f.list[s.place] = f.list[last]
	f.list[s.place].place = s.place
	f.list[last] = nil
	f.list = f.list[:last]
}

// sweep flushes those that an earlier sweep has seen already. A slow client must not hold up the others.
func (f *flusher) sweep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.list {
		if s.seen && !s.sweeping && s.waits() {
			s.sweeping = true
			go f.flush(s)
		}
		s.seen = true
	}
	if f.on = len(f.list) > 0; f.on {
		f.timer.Reset(f.every)
	}
}

func (f *flusher) flush(s *response) {
	s.flush()
	f.mu.Lock()
	defer f.mu.Unlock()
	s.sweeping = false
	f.idle.Broadcast()
}

// waits tells whether there is something to flush; a response that is being written to right now has no need.
func (s *response) waits() bool {
	if !s.mu.TryLock() {
		return false
	}
	defer s.mu.Unlock()
	return s.dirty
}
