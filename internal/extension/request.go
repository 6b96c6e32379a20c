package extension

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/reply"
	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/variables"
)

// request is the Go side of one control block: the [native.Handler] of its callbacks. Two events end it, in any order: HttpExtensionProc has
// returned, and (if it returned PENDING) DONE_WITH_SESSION was called.
type request struct {
	e    *Extension
	w    http.ResponseWriter
	r    *http.Request
	t    *executor.Target
	conn executor.Client // noConn under a server that is not ours
	slot *native.Slot
	body body
	resp reply.Response
	vars variables.Request

	was *isapi.ControlBlock // what the image got, if what costs something is looked at, too

	rec    *trace.Recorder // nil: nobody wants to see its calls
	traced traced          // with rec

	status        uint32 // of HttpExtensionProc
	procErr       error  // its fault
	threadTime    time.Duration
	foreignFaults int64 // of the extension when it got the request

	ops sync.WaitGroup

	mu       sync.Mutex // guards all below
	done     bool
	said     bool          // by HSE_REQ_DONE_WITH_SESSION
	wake     chan struct{} // told of done and sendURL; nil until somebody waits
	sendURL  *child        // the child request of SEND_URL, until it runs
	gaveUp   error
	io       asyncIO
	log      []string // HSE_APPEND_LOG_PARAMETER
	logged   int      // bytes of that
	warned   bool     // the log has a call that was refused
	execStat isapi.ExecURLStatus
	closed   bool // HSE_REQ_CLOSE_CONNECTION
	traceID  [16]byte
}

// logger is for lines about the request.
func (q *request) logger() *slog.Logger { return q.t.Trail.Logger(q.e.log) }

func newRequest(e *Extension, w http.ResponseWriter, r *http.Request, t *executor.Target, rec *trace.Recorder) *request {
	q := requests.Get().(*request)
	q.e, q.w, q.r, q.t, q.rec = e, w, r, t, rec
	if q.conn = t.Client; q.conn == nil {
		q.conn = conn.From(r.Context())
	}
	if rec == nil {
		q.slot = native.NewSlot(q)
	} else {
		q.traced.q = q
		q.slot = native.NewSlot(&q.traced)
	}
	id := t.Trail.Number()
	q.slot.Mark(id, e.opt.ImageID)
	q.body.r = r
	q.resp.Init(w, r, reply.Around{Log: e.log, Flusher: e.flusher, Host: t.Host, Client: q.conn, Gone: q, Watch: e.watch, Trail: t.Trail})
	q.vars = variables.Request{R: r, T: t, Client: q.conn, Length: r.ContentLength}
	if e.watch.Closely() {
		q.vars.Closer, q.was = q, &isapi.ControlBlock{}
	}
	return q
}

// noConn is no connection of ours: its methods do nothing and say so.
var noConn executor.Client = (*conn.Conn)(nil)

// requests are used again: nobody holds one whose slot is detached, whose operations are over and which the flusher has let go.
var requests = sync.Pool{New: func() any { return &request{} }}

func (q *request) recycle() {
	*q = request{}
	requests.Put(q)
}

func (q *request) fill() {
	if q.body.whole {
		q.vars.Length = int64(len(q.body.ahead))
	}
	q.slot.Fill(&native.Texts{
		Method: q.r.Method, QueryString: q.r.URL.RawQuery, PathInfo: ansi.Encode(q.t.PathInfo), PathTranslated: ansi.Encode(q.t.PathTranslated),
		ContentType: first(q.r.Header["Content-Type"]),
	}, q.body.total(), q.body.ahead)
	if q.was != nil {
		*q.was = *q.slot.ECB()
	}
}

// doneCalled is HSE_REQ_DONE_WITH_SESSION.
func (q *request) doneCalled(call) isapi.Error {
	q.mu.Lock()
	again := q.done && q.gaveUp == nil
	q.said = true
	q.mu.Unlock()
	if again {
		q.misused(executor.DoubleCompletion, trace.ServerSupportFunction, isapi.DoneWithSession, "HSE_REQ_DONE_WITH_SESSION was called before")
	}
	q.doneWithSession()
	return isapi.OK
}

// doneWithSession ends a pending request; a second call does nothing.
func (q *request) doneWithSession() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.done = true
	q.notify()
}

// notify wakes waitDone, with q.mu held.
func (q *request) notify() {
	select {
	case q.wake <- struct{}{}:
	default: // nobody waits, or is told already
	}
}

// giveUp ends a pending request that cannot end by itself any more.
func (q *request) giveUp(err error) {
	q.mu.Lock()
	if q.gaveUp == nil {
		q.gaveUp = err
	}
	q.mu.Unlock()
	q.doneWithSession()
}

// isDone: DONE_WITH_SESSION was called, or the request was given up with an error.
func (q *request) isDone() (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.done, q.gaveUp
}

func (q *request) takeChild() *child {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.sendURL
	q.sendURL = nil
	return c
}

func (q *request) logQuery() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return strings.Join(q.log, "")
}

// GetServerVariable is the callback of that name.
func (q *request) GetServerVariable(name, buf, size uintptr) isapi.Error {
	return q.vars.Copy(name, buf, size)
}

// Gone is why nothing can be sent any more; see [reply.Gone].
func (q *request) Gone() isapi.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return isapi.NetnameDeleted
	case q.io.cancelled:
		return isapi.OperationAborted
	}
	return isapi.WSAEConnReset
}

// ReadClient is the callback of that name.
func (q *request) ReadClient(buf, size uintptr) isapi.Error {
	if size == 0 {
		return q.wrongSize(trace.ReadClient, 0, "the pointer to the size is NULL")
	}
	want := native.Read[uint32](size)
	if want == 0 {
		return isapi.OK
	}
	n, err := q.readInto(buf, want)
	native.Write(size, uint32(n))
	return err
}

// WriteClient is the callback of that name.
func (q *request) WriteClient(buf, size uintptr, flags uint32) isapi.Error {
	if size == 0 {
		return q.wrongSize(trace.WriteClient, 0, "the pointer to the size is NULL")
	}
	n := native.Read[uint32](size)
	if int32(n) < 0 || n > 0 && buf == 0 {
		return q.wrongSize(trace.WriteClient, 0, fmt.Sprintf("%d bytes at %#x are to be sent", int32(n), buf))
	}
	p := native.Bytes(buf, int(n))
	if flags&isapi.IONoDelay != 0 {
		q.resp.FlushNext()
	}
	if flags&isapi.IOAsync != 0 {
		return q.async(0, writing, 0, 0, func() (uint32, isapi.Error) {
			err := q.resp.WriteOut(p)
			return n, err
		})
	}
	if err := q.resp.Write(p); err != isapi.OK {
		native.Write[uint32](size, 0)
		return err
	}
	return isapi.OK
}
