package inprocess

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// route says where requests go. It is never changed: when something else holds, the image gets another.
type route struct {
	to      *version // nil: nowhere
	next    *version // gets a part of them; nil: none
	part    uint64   // of 2³²
	held    *holding // who waits here until there is another route; nil: nobody
	refusal *refusal // the answer without a version
	changed chan struct{}
}

// refusal is an answer without a version.
type refusal struct {
	status int
	why    string
}

// pick chooses the version for a request.
func (rt *route) pick() *version {
	if rt.next != nil && uint64(rand.Uint32()) < rt.part {
		return rt.next
	}
	return rt.to
}

// Execute runs one request; see [executor.Executor].
func (i *Image) Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	v, inside, why := i.admit(r, nil, t.Trail)
	if why != nil {
		return refuse(w, r, t, why)
	}
	if !inside {
		defer v.Leave()
	}
	return v.run(w, r, t, inside)
}

// admit has a request enter a version, or says why it cannot. One that goes through the filter half of a version is inside that already;
// if it is not, it must leave. p is its passage through filter halves if it is to go through one more, which may be one it is in.
func (i *Image) admit(r *http.Request, p *Passage, trail *executor.Trail) (v *version, inside bool, why *refusal) {
	for {
		rt := i.route.Load()
		v := rt.pick()
		if v == nil || i.several.Load() { // the order matters: there are several before the route moves
			if v := i.bound(p, r.Context()); v != nil {
				return v, true, nil
			}
		}
		if v != nil {
			if p == nil && v.ext.Filter() != nil && passages.has(nil, r.Context(), v) {
				return v, true, nil
			}
			if v.Enter() {
				return v, false, nil
			}
			continue // the route moved before the version was closed
		}
		trail.At(executor.StageHeld)
		if rt = i.queue(r, rt); rt.refusal != nil {
			return nil, false, rt.refusal
		}
		if p != nil {
			passages.waited(p)
		}
	}
}

// queue has a request wait for a route, and answers that; or one with a refusal when it waited in vain.
func (i *Image) queue(r *http.Request, rt *route) *route {
	if rt.held == nil {
		return rt
	}
	begun, held := time.Now(), rt.held
	held.count.Add(1)
	defer func() { held.waited(time.Since(begun)) }()
	defer i.waiting.Add(-1)
	if i.waiting.Add(1) > int64(i.opt.Queue) {
		return i.turnAway(held, "too many requests wait for a version of the image")
	}
	var late <-chan time.Time
	if i.opt.QueueWait > 0 {
		timer := time.NewTimer(i.opt.QueueWait)
		defer timer.Stop()
		late = timer.C
	}
	for rt.held != nil {
		select {
		case <-rt.changed:
			rt = i.route.Load()
		case <-late:
			return i.turnAway(held, "no version of the image was ready in time")
		case <-r.Context().Done():
			return &route{refusal: &refusal{http.StatusServiceUnavailable, "the client left while the request waited for a version of the image"}}
		}
	}
	if rt.refusal != nil {
		held.refused.Add(1)
	}
	return rt
}

func (i *Image) turnAway(held *holding, why string) *route {
	held.refused.Add(1)
	i.log.Warn("request refused", "reason", why)
	return &route{refusal: &refusal{http.StatusServiceUnavailable, why}}
}

// holding counts the requests that wait because a version must end first.
type holding struct {
	count   atomic.Int64
	longest atomic.Int64 // nanoseconds
	refused atomic.Int64 // of them, without an answer of a version
}

func (h *holding) waited(d time.Duration) {
	for {
		longest := h.longest.Load()
		if int64(d) <= longest || h.longest.CompareAndSwap(longest, int64(d)) {
			return
		}
	}
}

// refuse answers a request without a version.
func refuse(w http.ResponseWriter, r *http.Request, t *executor.Target, why *refusal) executor.Result {
	if why.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if t.Host == nil {
		http.Error(w, http.StatusText(why.status), why.status)
	} else {
		t.Host.Error(w, r, why.status, 0)
	}
	return executor.Result{Status: why.status, LogData: why.why}
}
