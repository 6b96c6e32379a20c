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

// free ends the timer's work for its response. It is false when the timer has fired: its flush may be on its way, will find the
// response finished, and needs it to be there still.
func (t *flushTimer) free() bool {
	if t == nil {
		return true
	}
	stopped := t.Stop()
	t.response.Store(nil)
	if stopped {
		flushTimers.Put(t)
	}
	return stopped
}
