package extension

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
)

// Execute runs one request; see [executor.Executor].
func (e *Extension) Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	res, _ := e.Run(w, r, t)
	return res
}

// Run is Execute. It also says whether the request has reached the extension: one that was refused tells nothing about that.
func (e *Extension) Run(w http.ResponseWriter, r *http.Request, t *executor.Target) (res executor.Result, reached bool) {
	if t.Host == nil {
		t.Host = noHost{}
	}
	if !e.gate.enter() {
		return refuse(w, r, t, http.StatusServiceUnavailable, "extension is being unloaded"), false
	}
	defer e.gate.leave()
	if e.FilterOnly() {
		t.Trail.Logger(e.log).Warn("request refused", "reason", errFilterOnly, "url", r.URL.RequestURI())
		return refuse(w, r, t, http.StatusInternalServerError, errFilterOnly.Error()), false
	}
	if e.Refuses() {
		return refuse(w, r, t, http.StatusInternalServerError, "extension had a fault and its policy is to refuse"), false
	}
	if strings.IndexByte(t.PathInfo, 0) >= 0 || strings.IndexByte(t.ScriptName, 0) >= 0 {
		return refuse(w, r, t, http.StatusBadRequest, "path has a NUL, at which it would end for the extension"), false
	}
	rec, ours := e.listen(r, t)
	if ours {
		defer rec.End()
	}
	q := newRequest(e, w, r, t, rec)
	if err := q.readAhead(); err != nil {
		return q.badBody(err), false
	}
	q.fill()
	if full := e.threads.run(r.Context(), q); full != nil {
		q.slot.Release()
		if q.body.duplex && r.ProtoMajor < 2 {
			conn.CloseAfterReply(w) // nobody reads what is left of the body
		}
		t.Trail.Logger(e.log).Warn("request refused", "reason", full, "url", r.URL.RequestURI())
		return refuse(w, r, t, http.StatusServiceUnavailable, full.Error()), false
	}
	err := q.procErr
	if err == nil && q.status == isapi.StatusPending {
		err = q.waitDone()
	}
	res = q.finish(q.status, err)
	q.recycle()
	return res, true
}

// runProc calls HttpExtensionProc, on the thread it is called on.
func (q *request) runProc() {
	q.foreignFaults = q.e.live.faults.Load()
	q.t.Trail.At(executor.StageRunning)
	var begin time.Time
	if q.t.Timed {
		begin = time.Now()
	}
	if q.rec == nil {
		q.status, q.procErr = native.HTTPExtensionProc(q.e.exports.proc, q.slot)
	} else {
		q.status, q.procErr = q.tracedProc()
	}
	if q.procErr != nil {
		q.procErr = fmt.Errorf("HttpExtensionProc: %w", q.procErr)
	}
	if q.t.Timed {
		q.threadTime = time.Since(begin)
	}
}

// refuse answers a request that never reached the extension.
func refuse(w http.ResponseWriter, r *http.Request, t *executor.Target, status int, why string) executor.Result {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	t.Host.Error(w, r, status, 0)
	return executor.Result{Status: status, LogData: why}
}

// badBody answers a request whose body could not be read as far as the read-ahead goes.
func (q *request) badBody(err error) executor.Result {
	q.slot.Release()
	status := http.StatusBadRequest
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		status = http.StatusRequestEntityTooLarge
	case isTimeout(err):
		status = http.StatusRequestTimeout
	}
	q.w.Header().Set("Connection", "close")
	q.t.Host.Error(q.w, q.r, status, 0)
	return executor.Result{Status: status, Win32: uint32(isapi.ReadFault)}
}

// errNeverDone is why a request is given up whose extension returned PENDING and was not heard of again.
var errNeverDone = errors.New("it returned HSE_STATUS_PENDING and did not call HSE_REQ_DONE_WITH_SESSION within the pending limit")

// waitDone waits for DONE_WITH_SESSION, for as long as the pending limit allows, and runs the child request that a
// pending extension asks for with SEND_URL.
func (q *request) waitDone() error {
	q.resp.Flush()
	q.e.live.add(q, q.foreignFaults)
	defer q.e.live.remove(q)
	var late <-chan time.Time
	if d := q.e.opt.Pending; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		late = t.C
	}
	wake := make(chan struct{}, 1)
	q.mu.Lock()
	q.wake = wake
	q.mu.Unlock()
	for {
		if c := q.takeChild(); c != nil {
			q.runSendURL(c)
		}
		if done, err := q.isDone(); done {
			return err
		}
		select {
		case <-wake:
		case <-late:
			q.logger().Error("pending request given up", "error", errNeverDone, "limit", q.e.opt.Pending, "url", q.r.URL.RequestURI())
			q.e.watch.Tell(executor.Unfinished, trace.HttpExtensionProc.String(), q.t.Trail.Number(), errNeverDone.Error())
			return errNeverDone
		}
	}
}

// finish ends the request: no callback reaches it any more, the response is completed or broken off.
func (q *request) finish(status uint32, err error) executor.Result {
	if err == nil && q.e.watch != nil {
		q.endedWell(status)
	}
	q.stopIO(err != nil)
	q.ops.Wait()
	if err == nil {
		_, err = q.isDone() // a completion may have faulted
	}
	if err == nil {
		if c := q.takeChild(); c != nil {
			q.runSendURL(c)
		}
	}
	q.slot.Detach()
	ecb := q.slot.ECB()
	res := executor.Result{LogData: isapi.Printable(ansi.Decode(isapi.Cut(ecb.LogData[:]))), LogQuery: q.logQuery(), ThreadTime: q.threadTime}
	code := int(ecb.HTTPStatusCode)
	if q.was != nil {
		q.overwritten(q.was)
	}
	q.slot.Release()

	if err != nil {
		res.Fault = q.e.faultOf(err, q)
	}
	switch {
	case err != nil:
		q.resp.Fail(http.StatusInternalServerError)
	case status == isapi.StatusError || status > isapi.StatusError:
		if status > isapi.StatusError {
			q.logger().Warn("HttpExtensionProc returned a value that is no HSE_STATUS", "value", status, "url", q.r.URL.RequestURI())
		}
		q.resp.FailUnlessSent(http.StatusInternalServerError)
	default:
		q.resp.End(code)
	}
	q.drain()
	return q.resp.Result(res)
}
