package pool

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
)

// company is what a request needs in its worker besides the image that runs it: the filters that it goes through there. A nil company
// is that of a request without filters.
type company struct {
	pool       *Pool
	members    []*member // entered
	routes     []route   // to them, in the worker that was picked
	connection uint64    // its requests go to one worker; 0: it has no others
}

// company enters the filters of a request. The caller must call leave.
func (m *member) company(f *executor.Filtered) (*company, *refusal) {
	if f == nil {
		return nil, nil
	}
	p := m.pool
	c := &company{pool: p, connection: f.Connection}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ref := range f.Filters {
		switch filter := p.members[ref.Image]; {
		case filter == m || slices.Contains(c.members, filter):
		case filter == nil || !filter.Enter():
			c.leave()
			return nil, &refusal{status: http.StatusServiceUnavailable, why: "filter " + filepath.Base(ref.Image) + " is not loaded"}
		default:
			c.members = append(c.members, filter)
		}
	}
	return c, nil
}

func (c *company) leave() {
	if c != nil {
		for _, m := range c.members {
			m.Leave()
		}
	}
}

// tables are those of the image that runs the request and of its filters.
func (c *company) tables(own *table) []*table {
	all := []*table{own}
	for _, m := range c.members {
		all = append(all, m.table.Load())
	}
	return all
}

// pick enters a worker that has everything the request needs: the one that had the last request of its connection, while that
// takes requests; else as [table.pick] does.
func (c *company) pick(own *table) (route, bool) {
	all := c.tables(own)
	if home := c.pool.homes.get(c.connection); home != nil {
		for _, list := range [][]route{own.routes, own.shared} {
			i := slices.IndexFunc(list, func(r route) bool { return r.slot == home })
			if i >= 0 && c.follow(all, list[i]) && home.Enter() {
				return list[i], true
			}
		}
	}
	r, ok := route{}, false
	if own.share > 0 && slices.ContainsFunc(all, func(t *table) bool { return t.swapped }) && rand.Float64() < own.share {
		r, ok = pick(c.among(all, own.shared))
	}
	if !ok {
		r, ok = pick(c.among(all, own.routes))
	}
	if ok {
		c.follow(all, r)
		c.pool.homes.set(c.connection, r.slot)
	}
	return r, ok
}

// among are the routes to workers that have the filters.
func (c *company) among(all []*table, routes []route) (list []route) {
	for _, r := range routes {
		if c.follow(all, r) {
			list = append(list, r)
		}
	}
	return list
}

// within are the routes to an image in the workers of a generation that have the filters. The lock of the pool is held.
func (c *company) within(p *Pool, gen int, path string) []route {
	list := p.routes(gen, path)
	if c == nil {
		return list
	}
	return slices.DeleteFunc(list, func(r route) bool {
		return slices.ContainsFunc(c.members, func(m *member) bool { return r.slot.images[m.path] == nil })
	})
}

// follow finds the routes to the filters in the worker of a route; false if it lacks one.
func (c *company) follow(all []*table, to route) bool {
	c.routes = c.routes[:0]
	for _, t := range all[1:] {
		same := func(r route) bool { return r.slot == to.slot }
		list := t.routes
		i := slices.IndexFunc(list, same)
		if i < 0 {
			list = t.shared
			i = slices.IndexFunc(list, same)
		}
		if i < 0 {
			return false
		}
		c.routes = append(c.routes, list[i])
	}
	return true
}

// refusal is the answer while no worker has everything; nil: wait for one.
func (c *company) refusal(own *table) *refusal {
	for _, t := range c.tables(own) {
		if t.refusal != nil {
			return t.refusal
		}
	}
	return nil
}

// done counts a request for each of its filters.
func (c *company) done(res *executor.Result, took time.Duration) {
	if c != nil {
		for _, r := range c.routes {
			r.counter.Done(res, took)
		}
	}
}

// countLost does so for one that was lost.
func (c *company) countLost(res *executor.Result, lost *remote.Lost, took time.Duration) {
	if c != nil {
		for _, r := range c.routes {
			r.countLost(res, lost, took)
		}
	}
}

// homes are the workers that had the last request of each connection, as far as requests go through filters: these keep things with
// a connection. An entry is there until the worker is told that the connection has ended, or is gone.
type homes struct {
	mu sync.Mutex // guards of
	of map[uint64]*slot
}

func (h *homes) get(connection uint64) *slot {
	if connection == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of[connection]
}

// set: a worker is about to get a request of a connection. It may be gone by now.
func (h *homes) set(connection uint64, sl *slot) {
	if connection == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if sl.alive.Err() == nil {
		h.of[connection] = sl
	}
}

// leave forgets a worker that is gone, of which alive has ended.
func (h *homes) leave(sl *slot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.of, func(_ uint64, at *slot) bool { return at == sl })
}

// ended: a connection has, on which a worker had requests.
func (h *homes) ended(connection uint64, sl *slot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of[connection] == sl {
		delete(h.of, connection)
	}
}
