package filter

import (
	"github.com/isapid/isapid/internal/isapi"
)

// verdict is what a notification came to, or a step of the request.
type verdict int

const (
	next     verdict = iota // the request goes on
	finished                // a filter said that the request is done
	failed                  // a filter said that it failed: run.errno
	faulted                 // a filter did: run.faultErr
)

// notify tells the filters that want an event of it, until one ends it. made makes the structure, anew for each of them, because
// filters write to it; took looks at what one left there, and an error of it counts as a fault of the filter. Either may be nil.
func (q *run) notify(event uint32, pv uintptr, made func(), took func() error) verdict {
	begun := q.own.begun
	q.handled = false
	for i := range q.members {
		m := &q.members[i]
		if !m.wants(event) {
			continue
		}
		status, errno, ok := q.tell(m, event, pv, made, took)
		switch {
		case q.own.begun && !begun: // it has answered, whatever it returns
			q.disconnect = ok && status == isapi.FilterFinished
			return finished
		case !ok:
			return faulted
		}
		switch status {
		case isapi.FilterHandledNotification:
			q.handled = true
			return next
		case isapi.FilterFinished:
			q.disconnect = true
			return finished
		case isapi.FilterFinishedKeepConn:
			return finished
		case isapi.FilterError:
			q.errno = errno
			return failed
		}
	}
	return next
}

// wants tells whether the filter is to be told of an event.
func (m *member) wants(event uint32) bool { return m.events&event != 0 && !m.s.disabled(event) }

// tell tells one filter of an event. It is false when that ended in a fault: the filter hears nothing more of the request then.
func (q *run) tell(m *member, event uint32, pv uintptr, made func(), took func() error) (status uint32, errno isapi.Error, ok bool) {
	if made != nil {
		made()
	}
	status, errno, err := m.s.proc(event, pv)
	if err == nil && took != nil {
		if err = took(); err != nil {
			err = m.s.f.fault(isapi.Notification(event).String(), err, q.about()...)
		}
	}
	if err != nil {
		m.events = 0
		if q.faultErr == nil {
			q.faultErr = err
		}
		return 0, 0, false
	}
	return status, errno, true
}
