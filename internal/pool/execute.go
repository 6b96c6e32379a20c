package pool

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/gate"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/trace"
)

// member is an image of the pool, an [executor.Executor].
type member struct {
	gate.Gate
	pool        *Pool
	path        string
	table       atomic.Pointer[table]
	description atomic.Pointer[string]
	users       int  // of Open that did not close it; guarded by Pool.mu
	over        bool // Close has ended; likewise
}

func newMember(p *Pool, path string) *member {
	m := &member{Gate: gate.New(), pool: p, path: path}
	m.table.Store(&table{changed: make(chan struct{})})
	m.description.Store(new(string))
	return m
}

// Description is the text the extension gave in HSE_VERSION_INFO; "" before a worker has loaded it.
func (m *member) Description() string {
	if d := *m.description.Load(); d != "" {
		return d
	}
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if list := p.routes(p.state.gen.number, m.path); len(list) > 0 { // it is loaded, and requests are not led there yet
		return list[0].image.Description()
	}
	return ""
}

// unloading is why a request gets no worker whose image is being closed.
const unloading = "extension is being unloaded"

// mostRuns is how often a request is run whose workers are killed from outside one after the other.
const mostRuns = 5

// Execute runs one request in a worker of the pool; see [executor.Executor]. When the worker is lost, a request that may run
// twice, whose body is still there and whose answer has not begun, runs once more in another. A worker that was killed from
// outside does not count: that says nothing about the request. One that never reached its worker may run again whatever it does.
func (m *member) Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	if t.Host == nil {
		t.Host = noHost{}
	}
	if !m.Enter() {
		return refuse(w, r, t, &refusal{status: http.StatusServiceUnavailable, why: unloading})
	}
	defer m.Leave()
	c, refused := m.company(t.Filtered)
	if refused != nil {
		return refuse(w, r, t, refused)
	}
	defer c.leave()
	for runs, suspect := 1, false; ; runs++ {
		rt, refused := m.route(r.Context(), c, t.Trail, runs > 1)
		if refused != nil {
			return refuse(w, r, t, refused)
		}
		begun := time.Now()
		res, err := m.run(rt, c, begun, w, r, t)
		if err == nil {
			return res
		}
		lost := asLost(err)
		final := suspect || runs == mostRuns || lost.Began || !lost.Held
		mayRepeat := lost.Unsent || m.pool.policy.Load().again(r.Method)
		if final || !mayRepeat || r.Context().Err() != nil {
			res = m.lost(w, r, t, res, lost)
			rt.countLost(&res, lost, time.Since(begun))
			c.countLost(&res, lost, time.Since(begun))
			return res
		}
		if lost.Request != nil {
			r = lost.Request // with the body that was read
		}
		suspect = !lost.Unsent && !outside(lost)
		t.Trail.Again()
		m.pool.log.Info("request is run again: its worker was lost", "request", requestID(t.Trail), "worker", rt.slot.name, "image", filepath.Base(m.path), "method", r.Method, "url", r.URL.RequestURI())
	}
}

// run runs a request in a worker, counts it if it has ended, and leaves the worker.
func (m *member) run(rt route, c *company, begun time.Time, w http.ResponseWriter, r *http.Request, t *executor.Target) (executor.Result, error) {
	p, sl := m.pool, rt.slot
	defer sl.Leave()
	set := p.policy.Load()
	n := sl.count.Add(1)
	t.Trail.At(executor.StageRunning)
	t.Trail.In(rt.place)
	res, err := rt.image.Execute(w, r, t)
	t.Trail.At(executor.StageSending)
	ended := time.Now()
	if err == nil {
		rt.counter.Done(&res, ended.Sub(begun))
		c.done(&res, ended.Sub(begun))
	}
	if set.OnDemand {
		p.lastUse.Store(ended.UnixNano())
	}
	switch {
	case err != nil:
		sl.Close()
	case res.Fault != nil:
		p.faulted(sl, m.path, res.Fault.Error())
	case !sl.answered.Load():
		sl.answered.Store(true)
		p.wake()
	}
	if n == set.Recycle.Requests {
		p.wake()
	}
	return res, err
}

// outside says whether somebody else killed the worker that err is due to.
func outside(err error) bool {
	var o *remote.Obituary
	return errors.As(err, &o) && o.Exit.Signal == syscall.SIGKILL && !o.Exit.OOM && o.Reason == ""
}

func asLost(err error) *remote.Lost {
	var lost *remote.Lost
	if errors.As(err, &lost) {
		return lost
	}
	return &remote.Lost{Began: true} // nobody can know
}

// lost answers a request whose worker is gone, if it can be answered.
func (m *member) lost(w http.ResponseWriter, r *http.Request, t *executor.Target, res executor.Result, lost *remote.Lost) executor.Result {
	id := requestID(t.Trail)
	res.Fault = fmt.Errorf("request %s: %w", id, lost)
	res.LogData = "request " + id + " was lost with its worker"
	if lost.Began {
		res.Broken = true
	} else {
		w.Header().Set("X-Request-Id", id)
		t.Host.Error(w, r, http.StatusBadGateway, 0)
		res.Status = http.StatusBadGateway
	}
	m.pool.log.Error("request lost with its worker", "request", id, "image", filepath.Base(m.path), "method", r.Method, "url", r.URL.RequestURI(),
		"client", r.RemoteAddr, "broken", res.Broken, "error", lost)
	return res
}

// requestID is what the client and the log know a lost request by.
func requestID(t *executor.Trail) string {
	if id := t.Number(); id != 0 {
		return trace.FormatID(id)
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// comeBack is the Retry-After of a pool that will soon be well.
const comeBack = 5

// refuse answers a request without a worker.
func refuse(w http.ResponseWriter, r *http.Request, t *executor.Target, why *refusal) executor.Result {
	if why.status == http.StatusServiceUnavailable {
		after := comeBack
		if d := time.Until(why.retry); d > 0 {
			after = int(math.Ceil(d.Seconds()))
		}
		w.Header().Set("Retry-After", strconv.Itoa(after))
	}
	t.Host.Error(w, r, why.status, 0)
	return executor.Result{Status: why.status, LogData: why.why}
}

// Close refuses new requests, ends a replacement and waits for the requests that run (until ctx ends). The pool does not load the image any more; workers
// that have it unload it, without being waited for, or end now if it was the last image of the pool.
func (m *member) Close(ctx context.Context) error {
	p := m.pool
	p.mu.Lock()
	over := m.over
	last := !over && m.users <= 1
	if !over && !last {
		m.users--
	}
	p.mu.Unlock()
	switch {
	case over:
		return fmt.Errorf("extension %q: %w", m.path, executor.ErrClosed)
	case !last:
		return nil // somebody else has it too
	}
	m.Gate.Close()
	p.event(func(s *state, _ time.Time) {
		if p.members[m.path] == m {
			s.dropSwaps(m.path)
		}
	})
	if m.Wait(ctx) != nil {
		return fmt.Errorf("extension %q stays loaded: %d requests are still inside it: %w", m.path, m.Inside(), ctx.Err())
	}
	ended := p.remove(m)
	select {
	case <-ended:
		p.mu.Lock()
		m.over = true
		p.mu.Unlock()
		return p.takeBlocked()
	case <-ctx.Done():
		return fmt.Errorf("extension %q stays loaded: its workers have not ended: %w", m.path, ctx.Err())
	}
}

// remove takes an image from the pool. The channel is closed when nothing of it is waited for any more.
func (p *Pool) remove(m *member) <-chan struct{} {
	ended := make(chan struct{})
	p.event(func(s *state, _ time.Time) {
		if p.members[m.path] == m {
			delete(p.members, m.path)
			p.drop(m.path)
		}
		if len(s.images) > 0 || s.deserted() {
			close(ended)
		} else {
			p.emptied = append(p.emptied, ended)
		}
	})
	return ended
}

// noHost is the [executor.Host] of a target that has none: plain pages, and no URL space around the extension.
type noHost struct{}

var errNoHost = errors.New("there is no server around this pool that maps URLs")

func (noHost) Map(string) (executor.Mapping, error) { return executor.Mapping{}, errNoHost }

func (noHost) Exec(w http.ResponseWriter, r *http.Request, _ bool) { http.NotFound(w, r) }

func (noHost) Error(w http.ResponseWriter, _ *http.Request, status, _ int) {
	http.Error(w, http.StatusText(status), status)
}
