package extension

import (
	"fmt"
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
)

// asyncIO is the asynchronous I/O of one request: one operation at a time, one callback for each, also when it fails.
type asyncIO struct {
	callback, context uintptr   // of HSE_REQ_IO_COMPLETION
	busy              direction // of the pending operation; 0: none
	cancelled         bool
	interrupted       bool
	stopped           bool // the request ends: no new operations
}

// direction is what an operation does with the connection.
type direction int

const (
	reading direction = 1 << iota
	writing
)

// async starts op, as code asks (0: WriteClient), and calls the completion callback when it is over: the one given, or with 0 the one of
// HSE_REQ_IO_COMPLETION. The callback may come before this returns, and may start the next operation.
func (q *request) async(code isapi.Code, d direction, callback, context uintptr, op func() (n uint32, err isapi.Error)) isapi.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if callback == 0 {
		callback, context = q.io.callback, q.io.context
	}
	if q.io.busy != 0 {
		q.misused(executor.TwoAsync, asyncFunc(code), code, "another asynchronous operation is outstanding")
	}
	if callback == 0 || q.io.busy != 0 || q.io.stopped {
		return isapi.InvalidParameter
	}
	q.io.busy, q.io.cancelled = d, false
	q.ops.Add(1)
	go func() {
		defer q.ops.Done()
		var n uint32
		err := native.Protect(func() (err isapi.Error) { n, err = op(); return err })
		if err == isapi.WSAEConnReset {
			err = isapi.OperationAborted // what an asynchronous operation is told when the client broke off
		}
		q.mu.Lock()
		q.allow()
		q.io.busy = 0
		q.mu.Unlock()
		q.complete(callback, context, n, err)
	}()
	return isapi.OK
}

func asyncFunc(code isapi.Code) trace.Func {
	if code == 0 {
		return trace.WriteClient
	}
	return trace.ServerSupportFunction
}

func (q *request) complete(callback, context uintptr, n uint32, code isapi.Error) {
	if code != isapi.OK {
		n = 0
	}
	q.e.threads.complete(func() {
		if err := q.completed(callback, context, n, code); err != nil {
			q.giveUp(fmt.Errorf("completion callback: %w", err))
		}
	})
}

// outstanding says whether an operation has not completed.
func (q *request) outstanding() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.io.busy != 0
}

// stopIO refuses new operations. A pending read is cut short, because nobody wants the body any more and the client may be
// waiting for the end of the response; after a fault everything is: nobody may ever end it otherwise.
func (q *request) stopIO(now bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.io.stopped = true
	if now && q.io.busy != 0 || q.io.busy == reading {
		q.io.cancelled = true
		q.interrupt()
	}
}

// cancelIO is HSE_REQ_CANCEL_IO: the pending operation completes with ERROR_OPERATION_ABORTED.
func (q *request) cancelIO() isapi.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.io.busy == 0 {
		return isapi.InvalidParameter
	}
	q.io.cancelled = true
	q.interrupt()
	return isapi.OK
}

// interrupt makes the pending operation fail, or all there may be if there is none. q.mu is held.
func (q *request) interrupt() {
	q.io.interrupted = true
	q.setDeadlines(q.io.busy, time.Unix(1, 0))
}

// allow undoes interrupt, so that the response can go on: a cancelled read spoils nothing. q.mu is held.
func (q *request) allow() {
	if q.io.interrupted && !q.closed {
		q.io.interrupted = false
		q.setDeadlines(q.io.busy, time.Time{})
	}
}

func (q *request) setDeadlines(d direction, t time.Time) {
	rc := http.NewResponseController(q.w)
	if d != writing {
		_ = rc.SetReadDeadline(t)
	}
	if d != reading {
		_ = rc.SetWriteDeadline(t)
	}
}

// closeConnection is HSE_REQ_CLOSE_CONNECTION: what is pending completes with ERROR_NETNAME_DELETED. What was written
// before is sent, unless a write is stuck.
func (q *request) closeConnection() isapi.Error {
	q.resp.FlushWithin(closeFlush)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.conn == noConn || q.r.ProtoMajor >= 2 || q.conn.Abort() != nil {
		q.setDeadlines(reading|writing, time.Unix(1, 0))
	}
	return isapi.OK
}

// closeFlush is how long CLOSE_CONNECTION tries to send what net/http has still got.
const closeFlush = time.Second
