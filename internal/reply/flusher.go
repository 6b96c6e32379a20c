package reply

import (
	"sync"
	"time"
)

// Flusher sends what was written to responses whose image goes on without writing more. Most responses are over long
// before; one sweep for all of an image costs each of them less than a timer of its own.
type Flusher struct {
	every  time.Duration // two sweeps are the longest wait
	always bool          // whatever is written is sent at once

	mu    sync.Mutex // guards all below, and place, seen and sweeping of every response in the list
	idle  sync.Cond  // a response is no longer being swept
	list  []*Response
	timer *time.Timer
	on    bool // the timer runs
}

// NewFlusher makes one that lets written data wait for longest, give or take; negative: not at all. It has nothing to close.
func NewFlusher(longest time.Duration) *Flusher {
	f := &Flusher{every: max(longest/2, time.Millisecond), always: longest < 0}
	f.idle.L = &f.mu
	f.timer = time.AfterFunc(time.Hour, f.sweep)
	f.timer.Stop()
	return f
}

// add puts a response with something to flush under the flusher's care.
func (f *Flusher) add(s *Response) {
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
func (f *Flusher) remove(s *Response) {
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
func (f *Flusher) sweep() {
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

func (f *Flusher) flush(s *Response) {
	s.Flush()
	f.mu.Lock()
	defer f.mu.Unlock()
	s.sweeping = false
	f.idle.Broadcast()
}

// waits tells whether there is something to flush; a response that is being written to right now has no need.
func (s *Response) waits() bool {
	if !s.mu.TryLock() {
		return false
	}
	defer s.mu.Unlock()
	return s.dirty
}
