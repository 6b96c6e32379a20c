package filter

import (
	"net/http"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/reply"
)

// own is the response that filters send themselves: SF_REQ_SEND_RESPONSE_HEADER, WriteClient. There is one for the request, and
// none once somebody else's head was sent. The filters are shown its head like any other, but one that is sent in SEND_RESPONSE.
type own struct {
	reply  reply.Response
	face   ownFace
	begun  bool
	failed bool // a filter failed when it was shown the head

	busy   bool // a filter is sending; guarded by run.mu, like closed
	closed bool
}

var (
	flusher = sync.OnceValue(func() *reply.Flusher { return reply.NewFlusher(20 * time.Millisecond) })
	// Where filters are told of what is sent, that is not to happen while they are told of something else.
	noFlusher = sync.OnceValue(func() *reply.Flusher { return reply.NewFlusher(365 * 24 * time.Hour) })
)

// sendOwn sends something of a filter's own response. It fails when that cannot be: somebody else has answered, the response is
// over, or it is what the filter is being shown right now.
func (q *run) sendOwn(send func(*reply.Response) isapi.Error) isapi.Error {
	if err := q.beginOwn(); err != isapi.OK {
		return err
	}
	defer func() {
		q.mu.Lock()
		q.own.busy = false
		q.mu.Unlock()
	}()
	return send(&q.own.reply)
}

func (q *run) beginOwn() isapi.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := &q.own
	if o.busy || o.closed || o.failed || !o.begun && q.head.sent.Load() {
		return isapi.InvalidParameter
	}
	if !o.begun {
		o.begun = true
		q.head.dropped.Store(true)
		if q.head.inside {
			q.head.restore()
		}
		o.face.q = q
		flush := flusher
		if q.w == &q.raw {
			flush = noFlusher
		}
		o.reply.Init(&o.face, q.r, reply.Around{Log: q.log, Trail: q.trail, Flusher: flush(), Host: q.h, Client: &q.client})
	}
	o.busy = true
	return isapi.OK
}

// end completes the response, as far as filters have not, before they are told that the request ends.
func (o *own) end(q *run) {
	switch {
	case o.failed:
	case q.faultErr != nil:
		o.reply.Fail(http.StatusInternalServerError)
	default:
		o.reply.End(http.StatusOK)
	}
}

// result closes the response.
func (o *own) result(q *run) executor.Result {
	q.mu.Lock()
	o.closed = true
	q.mu.Unlock()
	if q.disconnect {
		o.reply.CloseAfter()
	}
	if !q.head.sent.Load() {
		o.reply.End(http.StatusOK) // a filter began it in END_OF_REQUEST
	}
	res := o.reply.Result(q.res)
	if o.failed && !q.head.sent.Load() {
		q.res.Broken = false
		q.head.instead = http.StatusInternalServerError
		q.head.end()
		q.res.Status = q.head.status
		return q.res
	}
	return res
}

// ownFace is the ResponseWriter of a filter's own response.
type ownFace struct{ q *run }

// Header implements [http.ResponseWriter].
func (f *ownFace) Header() http.Header { return f.q.w.Header() }

// WriteHeader implements [http.ResponseWriter].
func (f *ownFace) WriteHeader(status int) {
	switch h := &f.q.head; {
	case status < 200:
		f.q.w.WriteHeader(status)
	case !h.sent.Load() && !f.q.own.failed:
		h.begin(status, true)
	}
}

// Write implements [http.ResponseWriter].
func (f *ownFace) Write(p []byte) (int, error) {
	if f.q.own.failed || f.q.head.nobody {
		return len(p), nil
	}
	return f.q.w.Write(p)
}

// FlushError is what [http.ResponseController.Flush] calls.
func (f *ownFace) FlushError() error {
	if !f.q.head.sent.Load() {
		return nil
	}
	return http.NewResponseController(f.q.w).Flush()
}

// Unwrap is for [http.ResponseController], which finds the connection's deadlines below.
func (f *ownFace) Unwrap() http.ResponseWriter { return f.q.w }
