package extension

import (
	"sync"
	"sync/atomic"
	"time"
)

// flushTimer flushes a response some time after a write. Most responses are over before it fires, so timers are used
// again.
type flushTimer struct {
	*time.Timer
	response atomic.Pointer[response]
}

var flushTimers = sync.Pool{New: func() any {
	t := &flushTimer{}
	t.Timer = time.AfterFunc(time.Hour, t.fire)
	t.Stop()
	return t
}}

func newFlushTimer(s *response) *flushTimer {
	t := flushTimers.Get().(*flushTimer)
	t.response.Store(s)
	return t
}

func (t *flushTimer) fire() {
	if s := t.response.Load(); s != nil {
		s.flush()
	}
}

// free ends the timer's work for its response; one that fires just now finds the response finished.
func (t *flushTimer) free() {
	if t == nil {
		return
	}
	t.Stop()
	t.response.Store(nil)
	flushTimers.Put(t)
}
