package pool

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/remote"
)

// await sees a process to its end.
func (p *Pool) await(sl *slot, w process) {
	<-w.Gone()
	sl.Close()
	o := w.Obituary()
	crash, expected, next, id := false, false, time.Duration(0), ""
	spare, again := false, false // of a row of spares only the first loss is told
	p.event(func(s *state, now time.Time) {
		if w := s.worker(sl.id); w != nil && w.isSpare() {
			spare, again = true, s.spareEarly > 0 && now.Sub(w.since) <= s.set.Crashes.Window
		}
		d := p.death(sl, o, now)
		p.countDeath(s.worker(sl.id), o)
		crash = s.gone(sl.id, o, now, roll())
		next = max(0, s.startAfter.Sub(now))
		expected = !crash && (o.Expected() || sl.unwanted() && strings.HasPrefix(o.Reason, "killed: "))
		d.Expected = expected || d.Expected
		if !expected && !again {
			id = p.bury(sl, o, d.Reason, now, p.undone(sl, crash, o, next))
		}
		d.Obituary = id
		if !again {
			p.remember(d)
		}
		delete(p.slots, sl.id)
	})
	sl.end()
	p.homes.leave(sl)
	args := []any{"worker", sl.name, "pid", o.Pid, "how", o.Exit.String(), "age", o.Age.Round(time.Millisecond), "served", o.Served}
	if o.Reason != "" {
		args = append(args, "reason", o.Reason)
	}
	if expected || again {
		p.log.Info("worker ended", args...)
		return
	}
	args = append(args, "lost requests", o.Lost)
	if o.Output != "" {
		args = append(args, "output", o.Output)
	}
	if id != "" {
		args = append(args, "obituary", id)
	}
	if crash {
		p.log.Error("worker died", append(args, "next start in", next.Round(time.Millisecond))...)
		return
	}
	if spare {
		p.log.Warn("spare worker died", args...)
		return
	}
	p.log.Warn("worker did not end by itself", args...)
}

// stopGrace is how long a worker may take to stop in which a request hangs: it may have come to its end after all.
const stopGrace = time.Second

// longDrain is when the log tells who keeps a worker from ending.
const longDrain = 10 * time.Second

// drain lets the requests of a worker end, then has it unload its images and exit. What takes too long is killed, and named.
func (p *Pool) drain(sl *slot, hung bool, reason string) {
	sl.Close()
	set := p.policy.Load()
	ctx, cancel := context.WithTimeoutCause(p.ctx, set.Shutdown, fmt.Errorf("it did not end within %v", set.Shutdown))
	defer cancel()
	quick, over := context.WithCancel(ctx)
	defer over()
	defer context.AfterFunc(sl.alive, over)()
	if !p.waitEmpty(quick, sl, min(longDrain, set.Shutdown/2)) {
		p.overrun(sl, context.Cause(ctx))
		return
	}
	if hung {
		ctx, cancel = context.WithTimeoutCause(ctx, stopGrace, fmt.Errorf("%s", reason))
		defer cancel()
	}
	if err := sl.process.Stop(ctx); err != nil {
		if !hung {
			p.note(sl, err.Error())
		}
		p.log.Warn("worker did not stop as it should", "worker", sl.name, "error", err)
	}
	<-sl.process.Gone()
}

// waitEmpty waits for the requests of a worker to end, until ctx does. After a while the log tells which they are.
func (p *Pool) waitEmpty(ctx context.Context, sl *slot, patience time.Duration) bool {
	first, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if sl.Wait(first) == nil {
		return true
	}
	if ctx.Err() == nil {
		p.log.Warn("worker waits for its last requests", "worker", sl.name, "requests", sl.process.Blockers())
	}
	return sl.Wait(ctx) == nil
}

// overrun kills a worker whose requests do not end, and says which they are. One that is gone is left in peace.
func (p *Pool) overrun(sl *slot, why error) {
	if why == nil {
		select {
		case <-sl.process.Gone():
			return
		default: // the pool ended, and its end has reached one context before the other
			why = context.Cause(p.ctx)
		}
	}
	list := sl.process.Blockers()
	p.log.Warn("drain took too long: the worker is killed", "worker", sl.name, "error", why, "requests", list)
	p.note(sl, "requests "+strings.Join(list, ", "))
	sl.process.Kill(why.Error())
	<-sl.process.Gone()
}

// note keeps what did not end by itself, for whoever closes the pool or its last image, or replaced a version.
func (p *Pool) note(sl *slot, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what = fmt.Sprintf("worker %s: %s", sl.name, what)
	if p.state.want == wantEnd || len(p.state.images) == 0 {
		p.blocked = append(p.blocked, what)
	}
	for _, r := range p.swaps {
		if r.sw.old.number == sl.gen {
			r.blocked = append(r.blocked, what)
		}
	}
}

// takeBlocked is the error of what was noted, once.
func (p *Pool) takeBlocked() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	blocked := p.blocked
	p.blocked = nil
	if len(blocked) > 0 {
		return fmt.Errorf("pool %q: did not end by itself: %s", p.name, strings.Join(blocked, "; "))
	}
	return nil
}

// keptDeaths is how many ends of workers are remembered.
const keptDeaths = 10

// death is how a worker ended, for the status. The lock is held.
func (p *Pool) death(sl *slot, o *remote.Obituary, now time.Time) Death {
	reason := o.Reason
	if w := p.state.worker(sl.id); reason == "" && w != nil {
		reason = w.reason
	}
	return Death{
		Worker: sl.id, Generation: sl.gen, Pid: o.Pid, At: now, Age: Seconds(o.Age), How: o.Exit.String(), Reason: reason,
		Served: o.Served, Lost: o.Lost, Output: o.Output, Expected: o.Expected(),
	}
}

// remember keeps a death. The lock is held.
func (p *Pool) remember(d Death) {
	p.deaths = append(p.deaths, d)
	if n := len(p.deaths) - keptDeaths; n > 0 {
		p.deaths = slices.Delete(p.deaths, 0, n)
	}
}
