package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/isapid/isapid/internal/gate"
	"github.com/isapid/isapid/internal/remote"
)

// run is the loop of the pool: it decides whenever something has happened or a time has come, until nothing will.
func (p *Pool) run() {
	defer close(p.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wake, end := p.turn()
		if end {
			break
		}
		if !wake.IsZero() {
			timer.Reset(time.Until(wake))
		}
		select {
		case <-p.kick:
		case <-timer.C:
		}
	}
	p.cancel(errEnded)
	p.wg.Wait()
}

// turn decides and carries out until there is nothing more to do now.
func (p *Pool) turn() (wake time.Time, end bool) {
	for {
		actions, wake, lines := p.step()
		for _, line := range lines {
			line()
		}
		if len(actions) == 0 {
			return wake, false
		}
		if actions[0].do == doEnd {
			return wake, true
		}
	}
}

// step decides once. The lines are for the log, to be written without the lock.
func (p *Pool) step() (actions []action, wake time.Time, lines []func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.observe(now) {
		lines = append(lines, func() { p.log.Info("pool wakes up", "reason", "a request waits") })
	}
	actions, wake = decide(p.state, now)
	for _, a := range actions {
		lines = append(lines, p.carryOut(a, now))
	}
	if line := p.degradation(now); line != nil {
		lines = append(lines, line)
	}
	p.answer()
	p.publish()
	p.tell()
	p.prune()
	if p.state.deserted() {
		for _, c := range p.emptied {
			close(c)
		}
		p.emptied = nil
	}
	return actions, wake, lines
}

// observe brings what requests count into the state. It says whether they wake the pool up.
func (p *Pool) observe(now time.Time) (woken bool) {
	s := p.state
	p.count()
	if s.set.OnDemand && !s.awake && s.waiting > 0 && s.want == wantRun {
		s.awake, s.lastUse = true, now
		return true
	}
	return false
}

func (p *Pool) count() {
	s := p.state
	s.inside = 0
	s.waiting = int(p.waiting.Load())
	if t := time.Unix(0, p.lastUse.Load()); t.After(s.lastUse) {
		s.lastUse = t
	}
	for i := range s.workers {
		w := &s.workers[i]
		sl := p.slots[w.id]
		w.count, w.answered = sl.count.Load(), sl.answered.Load()
		s.inside += sl.Inside()
		if w.answered && w.gen == s.gen.number && w.phase == ready {
			s.early = 0
		}
	}
}

// carryOut begins an action and returns its line in the log.
func (p *Pool) carryOut(a action, now time.Time) (line func()) {
	s := p.state
	from := phase(0)
	if w := s.worker(a.worker); w != nil {
		from = w.phase
	}
	id := s.begin(a, now, roll())
	w, sl := s.worker(id), p.slots[id]
	switch a.do {
	case doSpare:
		sl, set := p.newSlot(w), s.set
		p.wg.Go(func() { p.bringUp(sl, set) })
	case doStart:
		if a.worker != 0 {
			p.take(sl, w, from, s.set)
			return func() { p.log.Info("spare becomes a worker", "worker", sl.name, "generation", a.gen, "trial", a.trial) }
		}
		sl, set := p.newSlot(w), s.set
		sl.builds = p.builds(w)
		p.wg.Go(func() { p.bringUp(sl, set) })
		return func() { p.log.Info("worker is started", "worker", sl.name, "generation", a.gen, "trial", a.trial) }
	case doRetire:
		sl.Close()
		sl.cancel(fmt.Errorf("the worker is not wanted any more: %s", a.reason))
		if sl.process != nil && sl.images != nil {
			p.drains[sl.gen]++
			p.wg.Go(func() {
				p.drain(sl, a.hung, a.reason)
				p.event(func(*state, time.Time) {
					if p.drains[sl.gen]--; p.drains[sl.gen] == 0 {
						delete(p.drains, sl.gen)
					}
				})
			})
		}
		return func() { p.log.Info("worker retires", "worker", sl.name, "reason", a.reason) }
	case doFail:
		return p.fail(sl, w, a.reason)
	case doRoll:
		return func() { p.log.Info("recycling begins", "generation", a.gen, "reason", a.reason) }
	case doPromote:
		return func() { p.log.Info("new generation serves", "generation", a.gen, "reason", a.reason) }
	case doAbandon:
		next := s.rollAfter.Sub(now)
		return func() {
			p.log.Error("new generation did not come up: the old one serves on", "generation", a.gen, "error", a.reason, "next try in", next.Round(time.Millisecond))
		}
	case doReplace, doProve, doProven, doReject:
		return p.swapLine(a)
	case doRest:
		return func() { p.log.Info("pool goes to sleep", "reason", a.reason) }
	case doRecover:
		return func() { p.log.Info("pool has recovered", "reason", a.reason) }
	case doPing:
		p.wg.Go(func() { p.ping(sl) })
	case doSample:
		p.wg.Go(func() { p.sample(sl) })
	case doLoad:
		set, b := s.set, build{a.image, s.version(w.gen, a.image)}
		p.wg.Go(func() { p.load(sl, set, b) })
	case doEnd:
		return func() { p.log.Info("pool is closed") }
	}
	return func() {}
}

// degradation is the line for a pool that has just become degraded, or whose try has failed; nil if that is not so.
func (p *Pool) degradation(now time.Time) func() {
	s := p.state
	if !s.degraded || s.retryAt.Equal(p.told) {
		return nil
	}
	p.told = s.retryAt
	crashes, tries, next := len(s.crashes), s.retries, s.retryAt.Sub(now)
	return func() {
		p.log.Error("pool is degraded", "crashes", crashes, "failed tries", tries, "next try in", next.Round(time.Millisecond))
	}
}

// newSlot is the place of a worker that was decided to be started.
func (p *Pool) newSlot(w *worker) *slot {
	sl := &slot{Gate: gate.New(), id: w.id, gen: w.gen, name: fmt.Sprintf("%s/%d", p.name, w.id)}
	sl.alive, sl.end = context.WithCancel(p.ctx)
	sl.ctx, sl.cancel = context.WithCancelCause(sl.alive)
	p.slots[w.id] = sl
	return sl
}

// answer tells those who open images how it went.
func (p *Pool) answer() {
	for _, a := range p.state.answers {
		var died *remote.Obituary
		if errors.As(a.err, &died) {
			b := build{a.image, a.version}
			p.killers[b] = killer{stamp: stampOf(b.file()), until: time.Now().Add(p.state.set.Crashes.Window), err: a.err}
		}
		for _, c := range p.openings[a.image] {
			c <- a.err
		}
		delete(p.openings, a.image)
	}
	p.state.answers = nil
}
