package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/wire"
)

// Lost is a request whose worker is gone.
type Lost struct {
	Began   bool          // the head of the response was handed over: nothing can be sent instead
	Held    bool          // the whole body is still there: Request can be run again, unless the response began
	Request *http.Request // the same with its body at the beginning; nil unless Held
	Unsent  bool          // the worker never heard of it: it can be run elsewhere whatever it does
	Obit    *Obituary     // nil if the worker was disowned and lives on
}

func (e *Lost) Error() string {
	if e.Obit == nil {
		return "the worker that ran it was given up"
	}
	return "the worker that ran it is gone: " + e.Obit.Error()
}

func (e *Lost) Unwrap() error {
	if e.Obit == nil {
		return nil
	}
	return e.Obit
}

// errHung is the fault of a request that was answered for the worker.
var errHung = errors.New("it took longer than request_timeout")

// maxAhead is how much of a body travels with its request, in bytes; the rest follows when the extension wants it.
const maxAhead = 64 << 10

// Execute runs one request in the worker; see [executor.Executor]. An error is a [*Lost]; then nothing was answered.
func (i *Image) Execute(rw http.ResponseWriter, r *http.Request, t *executor.Target) (executor.Result, error) {
	if !i.enter() {
		return refuse(rw, r, t)
	}
	defer i.leave()
	chain, ok := i.w.chain(t.Filtered)
	if !ok {
		return refuse(rw, r, t)
	}
	defer chain.leave()
	q := &wire.Request{Image: i.id, Timed: t.Timed, Target: *t, HasHost: t.Host != nil}
	q.HTTP.Describe(r)
	c := conn.From(r.Context())
	q.HTTP.Raw = c.RawLines(r)
	if q.HTTP.TLS != nil {
		if cert := c.ServerCertificate(); cert != nil {
			q.HTTP.TLS.Server = cert.Raw
		}
	}
	if t.Trail != nil {
		q.ID, q.Trace = t.Trail.ID, t.Trail.Trace
	}
	rest := i.readAhead(rw, r, &q.HTTP)
	q.Filtered = chain.described(c)
	a := &asker{r: r, w: rw, t: t, conn: c, log: i.opt.Logger, chain: chain}
	if chain != nil {
		chain.a = a
	}

	var leave chan struct{}
	if i.opt.Limit > 0 {
		leave = make(chan struct{})
		timer := time.AfterFunc(i.opt.Limit, func() { close(leave) })
		defer timer.Stop()
	}
	run := i.w.begin(i, r, t)
	res, began, err := i.w.link.Do(r.Context(), rw, q, rest, a.interrupt, a, leave)
	if a.hangUp {
		conn.CloseAfterReply(rw) // also when the answer is not the worker's
	}
	switch {
	case err == nil:
		i.w.end(run, &i.w.served)
		if res.Fault != nil && run.id != 0 {
			i.w.faultOf(run, res.Fault)
		}
		return res.Result, nil
	case errors.Is(err, wire.ErrLeft):
		defer i.w.abandon(run)
		i.w.s.Notify(Event{Kind: Hung, Image: i.path, Reason: fmt.Sprintf("%s %s: %v", r.Method, r.URL.RequestURI(), errHung)})
		return i.answerHung(rw, r, t, began), nil
	case errors.Is(err, wire.ErrTooLong):
		defer i.w.abandon(run)
		sendError(rw, r, t, http.StatusRequestHeaderFieldsTooLarge)
		return executor.Result{Status: http.StatusRequestHeaderFieldsTooLarge, LogData: err.Error()}, nil
	}
	i.w.lose(run)
	lost := &Lost{Began: began, Held: q.HTTP.Whole, Unsent: errors.Is(err, wire.ErrUnsent), Obit: i.w.over()}
	if lost.Held {
		again := *r // net/http looks at the body of its own request afterwards
		if len(q.HTTP.Body) > 0 {
			again.Body = io.NopCloser(bytes.NewReader(q.HTTP.Body))
		}
		lost.Request = &again
	}
	return executor.Result{}, lost
}

func refuse(rw http.ResponseWriter, r *http.Request, t *executor.Target) (executor.Result, error) {
	rw.Header().Set("Retry-After", "5")
	sendError(rw, r, t, http.StatusServiceUnavailable)
	return executor.Result{Status: http.StatusServiceUnavailable, LogData: "image is being unloaded"}, nil
}

func sendError(rw http.ResponseWriter, r *http.Request, t *executor.Target, status int) {
	if t.Host == nil {
		http.Error(rw, http.StatusText(status), status)
		return
	}
	t.Host.Error(rw, r, status, 0)
}

func (i *Image) answerHung(rw http.ResponseWriter, r *http.Request, t *executor.Target, began bool) executor.Result {
	t.Trail.Logger(i.opt.Logger).Error("request given up: the worker is replaced", "error", errHung, "limit", i.opt.Limit, "method", r.Method, "url", r.URL.RequestURI())
	if began {
		return executor.Result{Fault: errHung, Broken: true}
	}
	sendError(rw, r, t, http.StatusGatewayTimeout)
	return executor.Result{Status: http.StatusGatewayTimeout, Fault: errHung}
}

// readAhead puts the beginning of the body into m. The rest is what follows it; nil if that was all. A body that cannot be read is
// for the extension's side to answer, as in-process.
func (i *Image) readAhead(rw http.ResponseWriter, r *http.Request, m *wire.Message) (rest io.Reader) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		m.Whole = true
		return nil
	}
	limit := min(max(i.opt.ReadAhead, 0), maxAhead)
	if n := r.ContentLength; n >= 0 && n <= int64(limit) {
		limit = int(n)
	}
	if limit > 0 {
		buf := make([]byte, limit)
		n, whole, err := conn.ReadAhead(r, buf)
		m.Body, m.Whole = buf[:n], whole
		switch {
		case whole:
			return nil
		case err != nil:
			m.SetBodyError(err)
		}
	}
	_ = http.NewResponseController(rw).EnableFullDuplex() // HTTP/2 does it anyway
	return r.Body
}

func (w *Worker) begin(i *Image, r *http.Request, t *executor.Target) *running {
	run := &running{image: i, id: t.Trail.Number(), app: t.App, method: r.Method, url: r.URL.RequestURI(), client: r.RemoteAddr, since: time.Now()}
	w.mu.Lock()
	w.runs.add(run)
	w.mu.Unlock()
	return run
}

func (w *Worker) end(run *running, count interface{ Add(int64) int64 }) {
	w.mu.Lock()
	w.runs.remove(run)
	w.mu.Unlock()
	count.Add(1)
}

// lose: the worker is gone, and has not answered.
func (w *Worker) lose(run *running) {
	w.mu.Lock()
	if len(w.lostRuns) < maxInside {
		w.lostRuns = append(w.lostRuns, run.inside())
	}
	w.mu.Unlock()
	w.end(run, &w.lost)
}

// faultOf notes whose the last fault was, if it is that of a request.
func (w *Worker) faultOf(run *running, fault error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault != nil && w.fault.Request == 0 && w.fault.Text == fault.Error() {
		w.fault.Request = run.id
	}
}

// abandon: the request is answered, but its thread may still be inside.
func (w *Worker) abandon(run *running) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs.remove(run)
	if len(w.hungRuns) < maxInside {
		w.hungRuns = append(w.hungRuns, run.inside())
	}
}
