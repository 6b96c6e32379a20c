package pool

import (
	"context"
	"fmt"
	"time"
)

// A spare is a process that has greeted and has no image. The next worker that is to start takes it, whatever generation that is of: what
// remains is to load the images. It is an entry in [state.workers] without a generation, so that nothing of what is decided about workers that
// serve looks at it.

// isSpare says whether a worker is a process that waits to be one, or is being started as that.
func (w *worker) isSpare() bool { return w.phase == warming || w.phase == spare }

// spares keeps as many as the settings say. A new one is started when no worker is missing or coming: those need the machine more.
func (d *decider) spares() {
	s := d.s
	have, busy := 0, s.degraded
	for i := range s.workers {
		w := &s.workers[i]
		switch {
		case w.phase == starting:
			busy = true
		case !w.isSpare():
		case w.set != s.set:
			d.add(action{do: doRetire, worker: w.id, reason: "other settings"})
		case have == s.set.Spares:
			d.add(action{do: doRetire, worker: w.id, reason: "no spare is wanted"})
		default:
			have++
		}
	}
	busy = busy || s.sound(s.gen.number, ready) < s.set.Workers || len(d.actions) > 0
	if have < s.set.Spares && !busy && d.due(s.spareAfter) {
		d.add(action{do: doSpare})
	}
}

// spare is one that no other start of this moment takes; 0: there is none. One that has greeted goes before one that has not.
func (d *decider) spare() int {
	best := (*worker)(nil)
	for i := range d.s.workers {
		w := &d.s.workers[i]
		if w.isSpare() && w.set == d.s.set && !d.takes(w.id) && (best == nil || best.phase == warming && w.phase == spare) {
			best = w
		}
	}
	if best == nil {
		return 0
	}
	return best.id
}

// takes says whether a start that was decided takes the spare.
func (d *decider) takes(id int) bool {
	for _, a := range d.actions {
		if a.do == doStart && a.worker == id {
			return true
		}
	}
	return false
}

// beginSpare makes the entry of a spare.
func (s *state) beginSpare(now time.Time) int {
	s.number++
	s.totals.starts++
	s.workers = append(s.workers, worker{id: s.number, set: s.set, phase: warming, since: now})
	return s.number
}

// greeted: the process of a worker has. It says whether the worker is to load its images now; a spare waits for somebody to take it, and what is
// not wanted any more was told so.
func (s *state) greeted(id int, now time.Time) (load bool) {
	w := s.worker(id)
	if w != nil && w.phase == warming {
		w.enter(spare, now, "")
		return false
	}
	return true
}

// spareLost: a process that was to be a spare, or was one, is gone. A spare that waited for longer
// than crashes are remembered ends the row before.
func (s *state) spareLost(w *worker, now time.Time, roll float64) {
	c := &s.set.Crashes
	if w.phase == spare && now.Sub(w.since) > c.Window {
		s.spareEarly = 0
	}
	s.spareEarly++
	s.spareAfter = now.Add(jitter(doubled(c.Backoff, c.BackoffMax, s.spareEarly-1), roll))
}

// take has a spare that was decided to be taken go on as a worker. The lock is held.
func (p *Pool) take(sl *slot, w *worker, from phase, set *Settings) {
	sl.gen, sl.builds = w.gen, p.builds(w)
	if from == warming {
		return // it goes on by itself when it has greeted
	}
	sl.images = nil
	p.wg.Go(func() {
		ctx, cancel := context.WithTimeoutCause(sl.ctx, set.Startup, fmt.Errorf("the worker was not ready within %v", set.Startup))
		defer cancel()
		p.loadFirst(ctx, sl, set, time.Now())
	})
}
