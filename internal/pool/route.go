package pool

import (
	"context"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"time"
)

// table says where the requests of an image go. It is never changed: when something else holds, the image gets another.
type table struct {
	routes  []route
	refusal *refusal      // the answer while there is no route; nil: wait for one
	changed chan struct{} // closed when there is another table
}

// route is a worker that has loaded the image.
type route struct {
	slot  *slot
	image image
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
	for path, m := range p.members {
		old := m.table.Load()
		t := &table{routes: p.routes(path), changed: old.changed}
		if len(t.routes) == 0 {
			t.refusal = p.refusal(path)
		} else if d := t.routes[0].image.Description(); d != "" {
			m.description.Store(&d)
		}
		if t.equal(old) {
			continue
		}
		t.changed = make(chan struct{})
		m.table.Store(t)
		close(old.changed)
	}
}

func (t *table) equal(o *table) bool {
	if len(t.routes) != len(o.routes) || !t.refusal.equal(o.refusal) {
		return false
	}
	for i, r := range t.routes {
		if o.routes[i].slot != r.slot {
			return false
		}
	}
	return true
}

// routes are the workers of the generation that serves that have loaded the image and take requests.
func (p *Pool) routes(path string) (list []route) {
	s := p.state
	for i := range s.workers {
		w := &s.workers[i]
		sl := p.slots[w.id]
		if w.gen != s.gen.number || w.phase != ready || sl.closed.Load() {
			continue
		}
		if i := sl.images[path]; i != nil {
			list = append(list, route{sl, i})
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
	case up > 0 && m != nil && m.err != nil:
		return &refusal{status: http.StatusInternalServerError, why: "image cannot be loaded: " + m.err.Error()}
	case up == 0 && s.degraded && s.count(s.gen.number, ready) == 0:
		return &refusal{status: http.StatusServiceUnavailable, why: "the pool is degraded: its workers died too often", retry: s.retryAt}
	}
	return nil
}

// pick enters the worker with the fewest requests inside; false: there is none that takes one.
func (t *table) pick() (route, bool) {
	for range len(t.routes) + 1 { // a worker may close while it is picked
		best, least := -1, int64(0)
		first := 0
		if len(t.routes) > 1 {
			first = rand.IntN(len(t.routes)) // so that equal ones take turns
		}
		for n := range t.routes {
			at := (first + n) % len(t.routes)
			sl := t.routes[at].slot
			if sl.closed.Load() {
				continue
			}
			if inside := sl.inside.Load(); best < 0 || inside < least {
				best, least = at, inside
			}
		}
		if best < 0 {
			return route{}, false
		}
		if t.routes[best].slot.enter() {
			return t.routes[best], true
		}
	}
	return route{}, false
}

// route finds a worker for a request, or waits in the queue of the pool until there is one. The caller must leave its slot.
// A request that had a worker already, and lost it, is not turned away because the queue is full.
func (m *member) route(ctx context.Context, again bool) (route, *refusal) {
	t := m.table.Load()
	if r, ok := t.pick(); ok {
		return r, nil
	}
	if t.refusal != nil {
		return route{}, t.refusal
	}
	return m.queue(ctx, t, again)
}

func (m *member) queue(ctx context.Context, t *table, again bool) (route, *refusal) {
	p := m.pool
	set := p.policy.Load()
	defer p.waiting.Add(-1)
	if n := p.waiting.Add(1); n > int64(set.Executor.Queue) && !again {
		return route{}, p.turnAway(m, "the queue of the pool is full")
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
			return route{}, p.turnAway(m, "no worker was ready in time")
		case <-ctx.Done():
			return route{}, &refusal{status: http.StatusServiceUnavailable, why: "the client left while the request waited for a worker"}
		}
		t = m.table.Load()
		if r, ok := t.pick(); ok {
			return r, nil
		}
		if t.refusal != nil {
			return route{}, t.refusal
		}
	}
}

func (p *Pool) turnAway(m *member, why string) *refusal {
	p.log.Warn("request refused", "reason", why, "image", filepath.Base(m.path))
	return &refusal{status: http.StatusServiceUnavailable, why: why}
}
