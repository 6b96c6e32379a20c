package pool

import (
	"fmt"
	"slices"
	"time"
)

// deed is what the loop can do.
type deed string

const (
	doStart   deed = "start"   // a worker of generation gen; with a number: that spare becomes it
	doSpare   deed = "spare"   // start a process that waits to become a worker
	doRetire  deed = "retire"  // a worker: it takes no more requests, finishes its own, ends
	doFail    deed = "fail"    // a worker: it is killed, or kept for a debugger
	doRoll    deed = "roll"    // begin a new generation
	doPromote deed = "promote" // the new generation serves from now on
	doAbandon deed = "abandon" // the new generation cannot replace the one that serves
	doReplace deed = "replace" // it is the turn of a replacement of a version
	doProve   deed = "prove"   // the old version has ended: the new one may start
	doProven  deed = "proven"  // the new version could serve
	doReject  deed = "reject"  // the new version could not
	doRest    deed = "rest"    // stop the workers until there is a request
	doRecover deed = "recover" // the pool is not degraded any more
	doPing    deed = "ping"
	doSample  deed = "sample" // read the memory of a worker
	doLoad    deed = "load"   // an image in a worker that serves
	doEnd     deed = "end"    // nothing is left to do for ever
)

// action is one decision, with its reason.
type action struct {
	do     deed
	worker int
	gen    int
	image  string
	reason string
	trial  bool // of a start: the one worker of a degraded pool
	hung   bool // of a retirement: what runs longest will not end
}

func (a action) String() string {
	s := string(a.do)
	if a.worker != 0 {
		s += fmt.Sprintf(" %d", a.worker)
	}
	if a.gen != 0 {
		s += fmt.Sprintf(" gen %d", a.gen)
	}
	if a.trial {
		s += " trial"
	}
	if a.image != "" {
		s += " " + a.image
	}
	if a.reason != "" {
		s += ": " + a.reason
	}
	return s
}

// decide compares what is wanted with what there is. It changes nothing: the caller has [state.begin] note each action, carries it
// out, and asks again until there is none. With no action, wake is when time alone will make one; zero: never.
func decide(s *state, now time.Time) (actions []action, wake time.Time) {
	d := decider{s: s, now: now}
	switch {
	case s.want == wantEnd && len(s.workers) == 0:
		d.add(action{do: doEnd})
	case s.want != wantRun:
		d.retireAll(s.reason)
	case len(s.images) == 0:
		d.retireAll("the pool has no image")
	case s.set.OnDemand && !s.awake && !s.swapping():
		d.retireAll("idle")
	default:
		if d.replace(); d.turned() || s.swap != nil && s.swap.stage == emptying {
			break
		}
		d.bad()
		if d.rollout(); s.next == nil && !s.swapping() {
			d.recycle()
		}
		if d.turned() {
			break // what follows depends on it
		}
		d.stale()
		d.staff()
		d.recover()
		d.rest()
		d.look()
		d.load()
		d.spares()
	}
	return d.actions, d.wake
}

// decider collects the decisions of one moment.
type decider struct {
	s       *state
	now     time.Time
	actions []action
	wake    time.Time
}

func (d *decider) add(a action) { d.actions = append(d.actions, a) }

// due says whether a time has come; if not, the loop must wake up then.
func (d *decider) due(t time.Time) bool {
	if !d.now.Before(t) {
		return true
	}
	d.wake = earliest(d.wake, t)
	return false
}

// turned says whether the generations change, or a crash is counted.
func (d *decider) turned() bool {
	return slices.ContainsFunc(d.actions, func(a action) bool {
		switch a.do {
		case doRoll, doPromote, doAbandon, doFail, doReplace, doProve, doProven, doReject:
			return true
		default:
			return false
		}
	})
}

// retireAll ends all workers, and spares.
func (d *decider) retireAll(reason string) {
	d.retireWorkers(reason)
	for i := range d.s.workers {
		if w := &d.s.workers[i]; w.isSpare() {
			d.add(action{do: doRetire, worker: w.id, reason: reason})
		}
	}
}

func (d *decider) retireWorkers(reason string) {
	for i := range d.s.workers {
		if w := &d.s.workers[i]; w.phase == ready || w.phase == starting {
			d.add(action{do: doRetire, worker: w.id, reason: reason, hung: w.hung != ""})
		}
	}
}

// bad ends the workers that failed, hang, or contained a fault.
func (d *decider) bad() {
	for i := range d.s.workers {
		w := &d.s.workers[i]
		switch {
		case w.phase != ready:
		case w.sick != "":
			d.add(action{do: doFail, worker: w.id, reason: w.sick})
		case w.hung != "":
			d.add(action{do: doRetire, worker: w.id, reason: w.hung, hung: true})
		case w.suspect != "" && (!d.s.set.FaultedServes || d.s.sound(w.gen, ready) >= d.s.set.Workers):
			d.add(action{do: doRetire, worker: w.id, reason: w.suspect})
		}
	}
}

// sound is the number of workers of a generation in a phase that nothing speaks against.
func (s *state) sound(gen int, p phase) (n int) {
	for i := range s.workers {
		if w := &s.workers[i]; w.gen == gen && w.phase == p && w.suspect == "" && w.hung == "" && w.sick == "" {
			n++
		}
	}
	return n
}

// rollout brings up the next generation, if there is one, and lets it replace the one that serves when all of it is ready, or
// part of it while nothing else serves.
func (d *decider) rollout() {
	next := d.s.next
	if next == nil {
		return
	}
	up, coming := d.s.sound(next.number, ready), d.s.sound(next.number, starting)
	switch {
	case next.failed != "":
		d.add(action{do: doAbandon, gen: next.number, reason: next.failed})
	case up >= d.s.set.Workers || up > 0 && d.s.count(d.s.gen.number, ready) == 0:
		d.add(action{do: doPromote, gen: next.number, reason: next.reason})
	default:
		d.start(next.number, d.s.set.Workers-up-coming, false)
	}
}

func (d *decider) start(gen, n int, trial bool) {
	for range n {
		d.add(action{do: doStart, worker: d.spare(), gen: gen, trial: trial})
	}
}

// recycle begins a new generation when there is a reason and something to replace.
func (d *decider) recycle() {
	s := d.s
	if s.count(s.gen.number, ready) == 0 {
		return
	}
	reason, at := s.due(d.now)
	if reason == "" {
		if !at.IsZero() {
			d.due(at)
		}
		return
	}
	if d.due(s.rollAfter) {
		d.add(action{do: doRoll, gen: s.last + 1, reason: reason})
	}
}

// stale retires the workers of generations that neither serve nor shall.
func (d *decider) stale() {
	s := d.s
	for i := range s.workers {
		w := &s.workers[i]
		if !s.current(w.gen) && (w.phase == ready || w.phase == starting) {
			d.add(action{do: doRetire, worker: w.id, reason: "replaced by generation " + fmt.Sprint(s.gen.number)})
		}
	}
}

// current says whether a generation serves, shall, or is kept warm.
func (s *state) current(gen int) bool {
	return gen == s.gen.number || s.next != nil && gen == s.next.number || s.swap != nil && (gen == s.swap.new || gen == s.swap.old.number)
}

// staff starts the workers that are missing from the generation that serves.
func (d *decider) staff() {
	s := d.s
	if s.holding() || s.set.OnDemand && !s.awake {
		return
	}
	missing := s.set.Workers - s.sound(s.gen.number, ready) - s.sound(s.gen.number, starting)
	switch {
	case missing <= 0:
	case s.gen.alone && d.others():
	case s.degraded:
		if !d.trying() && d.due(s.retryAt) {
			d.start(s.gen.number, 1, true)
		}
	case d.due(s.startAfter):
		d.start(s.gen.number, missing, false)
	}
}

// others says whether a worker is not gone yet whose generation neither serves nor shall.
func (d *decider) others() bool {
	for i := range d.s.workers {
		if w := &d.s.workers[i]; !d.s.current(w.gen) && !w.orphan && !w.isSpare() {
			return true
		}
	}
	return false
}

// trying says whether the worker that a degraded pool tries is up or coming.
func (d *decider) trying() bool {
	for i := range d.s.workers {
		if w := &d.s.workers[i]; w.trial && (w.phase == starting || w.phase == ready) {
			return true
		}
	}
	return false
}

// recover ends the state of degraded when the worker that was tried stands, or none is missing.
func (d *decider) recover() {
	s := d.s
	if !s.degraded {
		return
	}
	if !d.trying() && s.sound(s.gen.number, ready) >= s.set.Workers {
		d.add(action{do: doRecover, reason: "no worker is missing"})
		return
	}
	for i := range s.workers {
		w := &s.workers[i]
		switch {
		case !w.trial || w.phase != ready:
		case s.stands(w, d.now):
			d.add(action{do: doRecover, worker: w.id, reason: "the worker that was tried stands"})
		default:
			d.due(w.since.Add(s.set.Crashes.Window))
		}
	}
}

// rest stops the workers of an on-demand pool that has had no request for a while.
func (d *decider) rest() {
	s := d.s
	if !s.set.OnDemand || s.set.Idle <= 0 || s.waiting > 0 || s.swapping() {
		return
	}
	since := s.lastUse
	if s.inside > 0 {
		since = d.now
	}
	if d.due(since.Add(s.set.Idle)) {
		d.add(action{do: doRest, reason: fmt.Sprintf("no request for %v", s.set.Idle)})
	}
}

// look has workers pinged, and their memory read.
func (d *decider) look() {
	s := d.s
	for i := range s.workers {
		w := &s.workers[i]
		if w.phase != ready {
			continue
		}
		if s.set.Ping > 0 && !w.pinging && d.due(w.pingAt) {
			d.add(action{do: doPing, worker: w.id})
		}
		if s.set.Recycle.samples() && !w.sampling && d.due(w.sampleAt) {
			d.add(action{do: doSample, worker: w.id})
		}
	}
}

// load has workers load the images they lack; an image that no worker has loaded yet is tried in one first.
func (d *decider) load() {
	s := d.s
	tried := map[string]bool{}
	for i := range s.workers {
		w := &s.workers[i]
		if w.phase != ready || w.loading != "" {
			continue
		}
		for j := range s.images {
			m := &s.images[j]
			if w.has(m.path) || m.opening && (w.gen != s.gen.number || tried[m.path] || s.loading(m.path)) || !d.due(w.retry[m.path]) {
				continue
			}
			tried[m.path] = true
			d.add(action{do: doLoad, worker: w.id, image: m.path})
			break
		}
	}
}
