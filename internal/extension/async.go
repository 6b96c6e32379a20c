package extension

import (
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// asyncIO is the asynchronous I/O of one request: one operation at a time, one callback for each, also when it fails.
type asyncIO struct {
	callback, context uintptr // of HSE_REQ_IO_COMPLETION
	busy              bool
	cancelled         bool
	stopped           bool // the request ends: no new operations
}

// async starts op and calls the completion callback when it is over: the one given, or with 0 the one of
// HSE_REQ_IO_COMPLETION. The callback may come before this returns, and may start the next operation.
func (q *request) async(callback, context uintptr, op func() (n uint32, err isapi.Error)) isapi.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if callback == 0 {
		callback, context = q.io.callback, q.io.context
	}
	if callback == 0 || q.io.busy || q.io.stopped {
		return isapi.InvalidParameter
	}
	q.io.busy, q.io.cancelled = true, false
	q.ops.Add(1)
	go func() {
		defer q.ops.Done()
		var n uint32
		err := native.Protect(func() (err isapi.Error) { n, err = op(); return err })
		q.mu.Lock()
		q.io.busy = false
		q.mu.Unlock()
		q.complete(callback, context, n, err)
	}()
	return isapi.OK
}

func (q *request) complete(callback, context uintptr, n uint32, code isapi.Error) {
	if code != isapi.OK {
		n = 0
	}
	q.e.threads.complete(func() {
		if err := native.Complete(callback, q.slot, context, n, uint32(code)); err != nil {
			q.giveUp(err)
		}
	})
}

// stopIO refuses new operations. After a fault the running one is cut short: nobody may ever end it otherwise.
func (q *request) stopIO(now bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.io.stopped = true
	if now && q.io.busy {
		q.interrupt()
	}
}

// cancelIO is HSE_REQ_CANCEL_IO: the pending operation completes with ERROR_OPERATION_ABORTED.
func (q *request) cancelIO() isapi.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.io.busy {
		return isapi.InvalidParameter
	}
	q.io.cancelled = true
	q.interrupt()
	return isapi.OK
}

// interrupt makes pending reads and writes of the connection fail.
func (q *request) interrupt() {
	past := time.Unix(1, 0)
	rc := http.NewResponseController(q.w)
	_ = rc.SetReadDeadline(past)
	_ = rc.SetWriteDeadline(past)
}

// closeConnection is HSE_REQ_CLOSE_CONNECTION: what is pending completes with ERROR_NETNAME_DELETED.
func (q *request) closeConnection() isapi.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.conn == nil || q.r.ProtoMajor >= 2 || q.conn.Abort() != nil {
		q.interrupt()
	}
	return isapi.OK
}
