package pool

import (
	"context"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/tally"
)

// table says where the requests of an image go. It is never changed: when something else holds, the image gets another.
type table struct {
	routes  []route
	shared  []route       // to workers with a new version of an image, which get a part of its requests; usually none
	share   float64       // that part, from 0 to 1
	swapped bool          // it is this image's
	held    *holding      // they wait because a version must end first; nil: for another reason
	refusal *refusal      // the answer while there is no route; nil: wait for one
	changed chan struct{} // closed when there is another table
}

// route is a worker that has loaded the image.
type route struct {
	slot    *slot
	image   image
	counter *tally.Counter // of the image in this generation
	place   *executor.Place
}

// refusal is an answer without a worker.
type refusal struct {
	status int
	why    string
	retry  time.Time // when to come back; zero: in a few seconds
}

func (r *refusal) equal(o *refusal) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.status == o.status && r.why == o.why && r.retry.Equal(o.retry)
}

// publish gives every image its table. The lock is held.
func (p *Pool) publish() {
	s := p.state
	if !s.holding() && s.count(s.gen.number, ready) > 0 {
		p.held = nil
	}
	renewed := map[*member]*table{}
	for path, m := range p.members {
		old := m.table.Load()
		t := &table{routes: p.routes(s.gen.number, path), held: p.held}
		if sw := s.swap; sw != nil && sw.share > 0 && (sw.image == path || len(s.set.Filters) > 0) {
			t.shared, t.share, t.swapped = p.routes(sw.new, path), sw.share, sw.image == path
		}
		if len(t.routes) == 0 {
			t.refusal = p.refusal(path)
		} else if d := t.routes[0].image.Description(); d != "" {
			m.description.Store(&d)
		}
		if !t.equal(old) {
			renewed[m] = t
		}
	}
	if len(renewed) > 0 && len(s.set.Filters) > 0 { // who waits for one may need another, too
		for _, m := range p.members {
			if renewed[m] == nil {
				t := *m.table.Load()
				renewed[m] = &t
			}
		}
	}
	var olds []*table
	for m, t := range renewed {
		t.changed = make(chan struct{})
		olds = append(olds, m.table.Swap(t))
	}
	for _, old := range olds {
		close(old.changed)
	}
}

func (t *table) equal(o *table) bool {
	same := func(a, b route) bool { return a.slot == b.slot }
	return slices.EqualFunc(t.routes, o.routes, same) && slices.EqualFunc(t.shared, o.shared, same) &&
		t.share == o.share && t.swapped == o.swapped && t.held == o.held && t.refusal.equal(o.refusal)
}

// has says whether requests may still go to a worker.
func (t *table) has(sl *slot) bool {
	to := func(r route) bool { return r.slot == sl }
	return slices.ContainsFunc(t.routes, to) || slices.ContainsFunc(t.shared, to)
}

// routes are the workers of a generation that have loaded the image and take requests.
func (p *Pool) routes(gen int, path string) (list []route) {
	s := p.state
	for i := range s.workers {
		w := &s.workers[i]
		sl := p.slots[w.id]
		if w.gen != gen || w.phase != ready || sl.Closed() {
			continue
		}
		if i := sl.images[path]; i != nil {
			list = append(list, route{sl, i, p.counter(gen, path), placeOf(i)})
		}
	}
	return list
}

// refusal is what requests for an image without a route get; nil: they wait.
func (p *Pool) refusal(path string) *refusal {
	s := p.state
	up := s.sound(s.gen.number, ready)
	switch m := s.image(path); {
	case s.want != wantRun:
		return &refusal{status: http.StatusServiceUnavailable, why: s.reason}
	case s.holding():
		return nil
	case up > 0 && m != nil && m.err != nil:
		return &refusal{status: http.StatusInternalServerError, why: "image cannot be loaded: " + m.err.Error()}
	case up == 0 && s.degraded && s.count(s.gen.number, ready) == 0:
		return &refusal{status: http.StatusServiceUnavailable, why: "the pool is degraded: its workers died too often", retry: s.retryAt}
	}
	return nil
}

// pick enters a worker for a request without filters; false: there is none that takes one.
func (t *table) pick() (route, bool) {
	if t.swapped && rand.Float64() < t.share {
		if r, ok := pick(t.shared); ok {
			return r, true
		}
	}
	return pick(t.routes)
}

// pick enters the worker with the fewest requests inside; false: there is none that takes one.
func pick(routes []route) (route, bool) {
	for range len(routes) + 1 { // a worker may close while it is picked
		best, least := -1, 0
		first := 0
		if len(routes) > 1 {
			first = rand.IntN(len(routes)) // so that equal ones take turns
		}
		for n := range routes {
			at := (first + n) % len(routes)
			sl := routes[at].slot
			if sl.Closed() {
				continue
			}
			if inside := sl.Inside(); best < 0 || inside < least {
				best, least = at, inside
			}
		}
		if best < 0 {
			return route{}, false
		}
		if routes[best].slot.Enter() {
			return routes[best], true
		}
	}
	return route{}, false
}

// route finds a worker for a request, or waits in the queue of the pool until there is one. The caller must leave its slot.
// A request that had a worker already, and lost it, is not turned away because the queue is full.
func (m *member) route(ctx context.Context, c *company, trail *executor.Trail, again bool) (route, *refusal) {
	t, r, ok := m.pick(c)
	if ok {
		return r, nil
	}
	if refused := t.refuses(c); refused != nil {
		return route{}, refused
	}
	trail.At(executor.StageQueued)
	if t.held != nil {
		trail.At(executor.StageHeld)
	}
	return m.queue(ctx, c, t, again)
}

// refuses is the answer while there is no worker for a request; nil: wait for one.
func (t *table) refuses(c *company) *refusal {
	if c != nil {
		return c.refusal(t)
	}
	return t.refusal
}

// pick enters a worker by the table that holds when the request is in it: what is routed away before that gets no request.
func (m *member) pick(c *company) (*table, route, bool) {
	t, r, ok := m.try(c)
	if ok || c == nil {
		return t, r, ok
	}
	// The tables are published one after the other, and nobody wakes a request that has this one in its new state and that of a filter in
	// its old. With the lock they are of one moment.
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	return m.try(c)
}

// try is pick, by tables that may be of two moments.
func (m *member) try(c *company) (*table, route, bool) {
	for t := m.table.Load(); ; {
		var r route
		var ok bool
		if c == nil {
			r, ok = t.pick()
		} else {
			r, ok = c.pick(t)
		}
		now := m.table.Load()
		if !ok || now == t || now.has(r.slot) {
			return t, r, ok
		}
		r.slot.Leave()
		t = now
	}
}

func (m *member) queue(ctx context.Context, c *company, t *table, again bool) (route, *refusal) {
	p := m.pool
	set := p.policy.Load()
	defer p.waiting.Add(-1)
	begun, held := time.Now(), t.held.enter()
	defer func() { held.leave(time.Since(begun)) }()
	if n := p.waiting.Add(1); n > int64(set.Executor.Queue) && !again {
		return route{}, p.turnAway(m, held, "the queue of the pool is full")
	}
	p.wake() // it may be asleep
	var late <-chan time.Time
	if set.Executor.QueueWait > 0 {
		timer := time.NewTimer(set.Executor.QueueWait)
		defer timer.Stop()
		late = timer.C
	}
	for {
		select {
		case <-t.changed:
		case <-late:
			return route{}, p.turnAway(m, held, "no worker was ready in time")
		case <-ctx.Done():
			return route{}, &refusal{status: http.StatusServiceUnavailable, why: "the client left while the request waited for a worker"}
		}
		var r route
		var ok bool
		if t, r, ok = m.pick(c); ok {
			return r, nil
		}
		if refused := t.refuses(c); refused != nil {
			return route{}, refused
		}
		if held == nil {
			held = t.held.enter()
		}
	}
}

// holding counts the requests that wait because a version must end first.
type holding struct {
	count   atomic.Int64
	longest atomic.Int64 // nanoseconds
	refused atomic.Int64 // of them, without an answer of either version
}

// enter counts a request, also for nobody.
func (h *holding) enter() *holding {
	if h != nil {
		h.count.Add(1)
	}
	return h
}

func (h *holding) leave(after time.Duration) {
	for h != nil {
		longest := h.longest.Load()
		if int64(after) <= longest || h.longest.CompareAndSwap(longest, int64(after)) {
			return
		}
	}
}

func (p *Pool) turnAway(m *member, held *holding, why string) *refusal {
	if held != nil {
		held.refused.Add(1)
	}
	p.log.Warn("request refused", "reason", why, "image", filepath.Base(m.path))
	return &refusal{status: http.StatusServiceUnavailable, why: why}
}
