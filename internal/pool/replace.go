package pool

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/tally"
)

var _ executor.Replaceable = (*member)(nil)

// replacement is an [executor.Replacement]: the hold that somebody has on a [swap].
type replacement struct {
	m    *member
	sw   *swap // guarded by Pool.mu
	held holding

	old, new *tally.Counter // set at the turn of the swap
	before   int64          // requests the old version had lost then
	blocked  []string       // what of the old version did not end by itself; guarded by Pool.mu
}

// Replace begins a new generation whose workers load version v of the image, and the other images as they are; see
// [executor.Replaceable]. A pool that sleeps starts those workers only; one that is degraded gets them, too, and its crashes are
// forgotten at the commit. A pool that is stopped replaces nothing. While the replacement is not ended, no limit and nobody has the
// pool recycled: that comes afterwards.
func (m *member) Replace(ctx context.Context, v executor.Version, how executor.Replacing) (executor.Replacement, error) {
	p := m.pool
	r := &replacement{m: m, sw: &swap{image: m.path, to: v, hold: how.Hold, reason: how.Reason}}
	err := executor.ErrClosed
	p.event(func(s *state, _ time.Time) {
		if p.members[m.path] == m && !m.Closed() {
			err = s.ask(r.sw)
		}
		if err == nil {
			p.swaps = append(p.swaps, r)
		}
	})
	if err != nil {
		return nil, r.errorf(err)
	}
	if err = p.when(ctx, r.up); err == nil {
		return r, nil
	}
	p.event(func(s *state, _ time.Time) {
		if r.sw.stage < serving { // ctx has ended
			s.withdraw(r.sw, err)
		}
	})
	return nil, err
}

// up says whether the new version could serve, or why not; then the old one is back.
func (r *replacement) up(s *state) (bool, error) {
	switch {
	case r.sw.stage == withdrawn && r.sw.hold && r.sw.old.number > 0:
		back, err := r.back(s)
		return back, errors.Join(r.sw.failed, err)
	case r.sw.stage == withdrawn:
		return true, r.sw.failed
	}
	return r.sw.stage == proven, nil
}

// back says whether the old version answers requests again, or why it will not. Where it was unloaded, all its workers are to be there
// again: the next replacement would have to kill one that is just starting.
func (r *replacement) back(s *state) (bool, error) {
	m := s.image(r.sw.image)
	up, wanted := 0, 1
	if r.sw.hold {
		wanted = s.set.Workers
	}
	for i := range s.workers {
		if w := &s.workers[i]; w.gen == s.gen.number && w.phase == ready && m != nil && w.has(m.path) {
			up++
		}
	}
	switch {
	case s.want == wantStop: // it will, when the pool is started
		return true, nil
	case s.want == wantEnd || m == nil:
		return true, executor.ErrClosed
	case s.swap != nil, s.set.OnDemand && !s.awake: // somebody else sees to it, or the next request does
		return true, nil
	case up >= wanted, up > 0 && s.degraded:
		return true, nil
	case up == 0 && s.count(s.gen.number, ready) > 0 && m.err != nil:
		return true, fmt.Errorf("the old version cannot be loaded again: %w", m.err)
	case s.degraded, s.early > enoughTries:
		return true, fmt.Errorf("the old version cannot be loaded again, and is tried on: %w", s.trouble)
	}
	return false, nil
}

// enoughTries is how many workers in a row may die before an answer until nobody waits for the next any more.
const enoughTries = 5

// swapLine notes a step of a swap that was decided, and returns its line in the log. The lock is held.
func (p *Pool) swapLine(a action) (line func()) {
	log := p.log.With("generation", a.gen, "image", filepath.Base(a.image))
	switch a.do {
	case doReplace:
		r := p.swapping()
		sw := r.sw
		r.old, r.new = p.counter(sw.old.number, sw.image), p.counter(sw.new, sw.image)
		r.before = r.old.Sum().Lost
		if sw.hold {
			p.held = &r.held
		}
		from, to := label(sw.from), label(sw.to)
		return func() { log.Info("replacement begins", "from", from, "to", to, "hold", sw.hold, "reason", a.reason) }
	case doProve:
		return func() { log.Info("old version has ended: the new one starts") }
	case doProven:
		return func() { log.Info("new version is ready") }
	default:
		return func() { log.Error("new version did not come up: the old one serves on", "error", a.reason) }
	}
}

// swapping is who holds the swap that is under way. The lock is held.
func (p *Pool) swapping() *replacement {
	return p.swaps[slices.IndexFunc(p.swaps, func(r *replacement) bool { return r.sw == p.state.swap })]
}

// Execute runs a request in a worker with the new version, and waits for one if it is just being started again. A request that is lost
// is not repeated.
func (r *replacement) Execute(w http.ResponseWriter, q *http.Request, t *executor.Target) executor.Result {
	m := r.m
	if t.Host == nil {
		t.Host = noHost{}
	}
	if !m.Enter() {
		return refuse(w, q, t, &refusal{status: http.StatusServiceUnavailable, why: unloading})
	}
	defer m.Leave()
	c, refused := m.company(t.Filtered)
	if refused != nil {
		return refuse(w, q, t, refused)
	}
	defer c.leave()
	ctx := q.Context()
	if limit := m.pool.policy.Load().Executor.QueueWait; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	var rt route
	err := m.pool.when(ctx, func(s *state) (found bool, err error) {
		if r.sw.stage != withdrawn {
			rt, found = pick(c.within(m.pool, r.sw.new, m.path))
		}
		if found {
			return true, nil
		}
		why := r.down(s)
		if s.want == wantStop {
			why = s.reason
		}
		return why != "", errors.New(why)
	})
	if err != nil {
		return refuse(w, q, t, &refusal{status: http.StatusServiceUnavailable, why: err.Error()})
	}
	begun := time.Now()
	res, err := m.run(rt, c, begun, w, q, t)
	if err != nil {
		lost := asLost(err)
		res = m.lost(w, q, t, res, lost)
		rt.countLost(&res, lost, time.Since(begun))
		c.countLost(&res, lost, time.Since(begun))
	}
	return res
}

// Description is "" when no worker with the new version is ready.
func (r *replacement) Description() string {
	p := r.m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rt := range p.routes(r.sw.new, r.m.path) {
		return rt.image.Description()
	}
	return ""
}

// down is why no worker with the new version is to be expected; "" if one is, once the pool is not stopped any more.
func (r *replacement) down(s *state) string {
	sw := r.sw
	switch {
	case s.want == wantEnd:
		return s.reason
	case sw.failed != nil:
		return sw.failed.Error()
	case sw.stage >= serving && s.gen.number != sw.new:
		return fmt.Sprintf("it was replaced by generation %d", s.gen.number)
	case sw.stage >= serving && s.degraded && s.trouble != nil:
		return "the pool is degraded: " + s.trouble.Error()
	}
	return ""
}

// Share routes a part of the requests to the new version until the commit.
func (r *replacement) Share(part float64) {
	r.m.pool.reroute(func(s *state, _ time.Time) { s.shared(r.sw, part) })
}

// Commit routes all requests to the new version that are in no worker yet. The workers with the old one are kept as they are: they
// answer pings, and are not started again.
func (r *replacement) Commit() {
	p := r.m.pool
	news, n := false, 0
	p.reroute(func(s *state, now time.Time) {
		news = s.commit(r.sw, now, roll())
		n = p.inside(r.sw.old.number)
	})
	if news {
		p.log.Info("new version serves", "generation", r.sw.new, "image", filepath.Base(r.m.path), "version", label(r.sw.to), "in the old one", n)
	}
}

// left says whether something of a generation is left. The lock is held.
func (p *Pool) left(gen int) bool { return p.state.has(gen) || p.drains[gen] > 0 }

// inside is the number of requests in the workers of a generation, of all images. The lock is held.
func (p *Pool) inside(gen int) (n int) {
	for _, sl := range p.slots {
		if sl.gen == gen {
			n += sl.Inside()
		}
	}
	return n
}

// Revert routes requests to the old version again; see [executor.Replacement]. Workers with it that are missing are started.
func (r *replacement) Revert(ctx context.Context) error {
	p := r.m.pool
	var before stage
	var reverted bool
	var gen int
	p.reroute(func(s *state, now time.Time) {
		before = r.sw.stage
		if r.sw.hold && before < settled {
			p.held = &r.held
		}
		reverted, gen = s.revert(r.sw, now), s.gen.number
	})
	switch {
	case !reverted:
		return r.errorf(errors.New("the old version has ended already"))
	case before == withdrawn:
		return nil
	}
	p.log.Warn("new version is taken back", "generation", gen, "image", filepath.Base(r.m.path), "version", label(r.sw.from))
	if before != serving && !r.sw.hold {
		return nil // nothing has changed for the old one
	}
	if err := p.when(ctx, r.back); err != nil {
		return r.errorf(err)
	}
	return nil
}

func (r *replacement) errorf(err error) error {
	return fmt.Errorf("pool %q: replacement of %q: %w", r.m.pool.name, r.m.path, err)
}

// Settle has the workers with the old version finish what they have and end; see [executor.Replacement].
func (r *replacement) Settle(ctx context.Context) error {
	p := r.m.pool
	over, first := false, false
	p.event(func(s *state, _ time.Time) {
		first = r.sw.stage == serving
		over = s.settle(r.sw)
	})
	if !over {
		return r.errorf(errors.New("the new version does not serve"))
	}
	if first {
		p.log.Info("old version is let go", "generation", r.sw.old.number, "image", filepath.Base(r.m.path), "version", label(r.sw.from))
	}
	if err := p.when(ctx, func(s *state) (bool, error) { return !p.left(r.sw.old.number), nil }); err != nil {
		return r.errorf(fmt.Errorf("the old version has not ended: %w", err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(r.blocked) > 0 {
		return r.errorf(fmt.Errorf("did not end by itself: %s", strings.Join(r.blocked, "; ")))
	}
	return nil
}

// Progress may be asked at any time. OldInside counts the requests of all images that share workers with this one.
func (r *replacement) Progress() executor.Progress {
	p := r.m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	before, after := r.old.Sum(), r.new.Sum()
	return executor.Progress{
		OldGeneration: r.sw.old.number, NewGeneration: r.sw.new,
		Old: before, New: after,
		OldInside: p.inside(r.sw.old.number),
		Held:      int(r.held.count.Load()), Longest: time.Duration(r.held.longest.Load()),
		Lost: before.Lost - r.before + after.Lost + r.held.refused.Load(),
		Down: r.down(p.state),
	}
}

// waiter waits until a fact holds, which is looked at after each decision.
type waiter struct {
	fact func(*state) (holds bool, err error)
	told chan error // has room for one
}

// when returns what a fact says as soon as it holds, and else at the end of ctx.
func (p *Pool) when(ctx context.Context, fact func(*state) (bool, error)) error {
	p.mu.Lock()
	if holds, err := fact(p.state); holds {
		p.mu.Unlock()
		return err
	}
	w := &waiter{fact, make(chan error, 1)}
	p.waiters = append(p.waiters, w)
	p.mu.Unlock()
	p.wake()
	var why error
	select {
	case err := <-w.told:
		return err
	case <-ctx.Done():
		why = context.Cause(ctx)
	case <-p.done:
		why = executor.ErrClosed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters = slices.DeleteFunc(p.waiters, func(o *waiter) bool { return o == w })
	select {
	case err := <-w.told: // it held just before
		return err
	default:
		return why
	}
}

// tell those whose facts hold. The lock is held.
func (p *Pool) tell() {
	p.waiters = slices.DeleteFunc(p.waiters, func(w *waiter) bool {
		holds, err := w.fact(p.state)
		if holds {
			w.told <- err
		}
		return holds
	})
}
