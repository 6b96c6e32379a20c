package filter

import (
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// verdict is what a notification came to, or a step of the request.
type verdict int

const (
	next     verdict = iota // the request goes on
	finished                // a filter said that the request is done
	failed                  // a filter said that it failed: run.errno
	faulted                 // a filter did: run.faultErr
)

// alone is the size of what belongs to one filter at a time, because more than what is at one place is to be looked at, or made anew.
const alone = -1

// put makes the structure of a notification, and answers its size.
func put[T any](at uintptr, v T) int {
	native.Write(at, v)
	return int(unsafe.Sizeof(v))
}

// notify tells the filters that want an event of it, until one ends it. made makes what is at pv, and answers how many bytes that are, or
// alone. It is called again for whoever comes after a filter that may have changed something: filters write to what they are given, and
// call back. took looks at what such a one left there, and an error of it counts as a fault of the filter. Either may be nil.
func (q *run) notify(event uint32, pv uintptr, made func() int, took func() error) verdict {
	begun := q.own.begun
	q.handled = false
	for i := q.wanting(0, event); i >= 0; i = q.wanting(i+1, event) {
		var t told
		t, i = q.tell(i, event, pv, made, took)
		switch {
		case q.own.begun && !begun: // it has answered, whatever it returns
			q.disconnect = t.err == nil && t.status == isapi.FilterFinished
			return finished
		case t.err != nil:
			return faulted
		}
		switch t.status {
		case isapi.FilterHandledNotification:
			q.handled = true
			return next
		case isapi.FilterFinished:
			q.disconnect = true
			return finished
		case isapi.FilterFinishedKeepConn:
			return finished
		case isapi.FilterError:
			q.errno = t.errno
			return failed
		}
	}
	return next
}

// wanting is the first filter, from a place on, that is to be told of an event; -1: there is none.
func (q *run) wanting(from int, event uint32) int {
	for i := from; i < len(q.members); i++ {
		if m := &q.members[i]; m.events&event != 0 && !m.s.disabled(event) {
			return i
		}
	}
	return -1
}

// told is what a filter made of an event. err is a fault, which was told of.
type told struct {
	status uint32
	errno  isapi.Error
	err    error
}

// tell tells the filter at a place of an event, and those after it up to the one at last, which t is of: all others have returned
// FilterNextNotification and done nothing. Who has a fault hears nothing more of the request.
func (q *run) tell(from int, event uint32, pv uintptr, made func() int, took func() error) (t told, last int) {
	size := 0
	if made != nil {
		size = made()
	}
	q.telling++
	if m := &q.members[from]; q.telling > 1 || !m.plain {
		t.status, t.errno, t.err = m.s.proc(event, pv)
		last = from
	} else {
		t, last = q.together(from, event, pv, size)
	}
	q.telling--
	m := &q.members[last]
	if t.err == nil && took != nil {
		if t.err = took(); t.err != nil {
			t.err = m.s.f.fault(isapi.Notification(event).String(), t.err, q.about()...)
		}
	}
	if t.err != nil {
		m.events = 0
		if q.faultErr == nil {
			q.faultErr = t.err
		}
	}
	return t, last
}

// together calls filters in one go, from the one at a place on, as far as that can be: no other notification of the request is under way.
func (q *run) together(from int, event uint32, pv uintptr, size int) (t told, last int) {
	var places [native.MostFilterCalls]int
	n := 0
	for i := from; i >= 0 && n < len(places) && q.members[i].plain; i = q.wanting(i+1, event) {
		s := q.members[i].s
		s.touch()
		q.calls.Set(n, s.f.conf.Proc, s.pfc)
		places[n] = i
		if n++; size == alone {
			size = 0
			break
		}
	}
	if n > 1 && size > 0 {
		at := int(pv - q.base)
		copy(q.b[atKept:], q.b[at:at+size])
	}
	q.event.Store(event)
	called, back, status, errno, err := q.calls.Call(n, event, pv, q.base+uintptr(atKept), size)
	t, last = told{status, errno, err}, places[called]
	m := &q.members[last]
	if back {
		q.c.mu.Lock()
		m.s.await(m.inside)
		q.c.mu.Unlock()
	}
	for _, i := range places[:called+1] {
		if i != last || err == nil {
			q.members[i].s.overwritten(event, q.trail.Number())
		}
	}
	if err != nil {
		t.err = m.s.faulted(event, err, q)
	}
	return t, last
}
