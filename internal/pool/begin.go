package pool

import (
	"errors"
	"time"
)

// begin notes that an action is being carried out. For a start it returns the number of the worker.
func (s *state) begin(a action, now time.Time, roll float64) (id int) {
	w := s.worker(a.worker)
	switch a.do {
	case doStart:
		return s.beginStart(a, now)
	case doSpare:
		return s.beginSpare(now)
	case doRetire:
		w.enter(retiring, now, a.reason)
	case doFail:
		w.enter(failed, now, a.reason)
		s.failed(w, errors.New(a.reason), now, roll)
	case doRoll:
		s.last = a.gen
		next := generation{number: a.gen, reason: a.reason, alone: s.set.Recycle.NoOverlap}
		if s.set.Recycle.NoOverlap {
			s.promote(next, now, roll)
		} else {
			s.next = &next
		}
	case doPromote:
		s.promote(*s.next, now, roll)
	case doAbandon:
		s.next = nil
		s.rolls++
		s.rollAfter = now.Add(jitter(doubled(s.set.Crashes.Retry, s.set.Crashes.RetryMax, s.rolls-1), roll))
	case doReplace:
		s.beginSwap(a.gen)
	case doProve:
		s.swap.stage = proving
	case doProven:
		s.swap.stage = proven
	case doReject:
		s.withdraw(s.swap, s.swap.failed)
	case doRest:
		s.awake = false
		s.asked = ""
		s.takeUnseen()
	case doRecover:
		s.forget()
		for i := range s.workers {
			s.workers[i].trial = false
		}
	case doPing:
		w.pinging = true
	case doSample:
		w.sampling = true
	case doLoad:
		w.loading = a.image
	case doEnd:
	}
	return a.worker
}

// beginStart makes the entry of a worker. It loads what is known to load; of the images that are being opened one, and only
// if nothing serves that it could hurt.
func (s *state) beginStart(a action, now time.Time) int {
	w := s.worker(a.worker)
	if w == nil {
		s.number++
		s.totals.starts++
		s.workers = append(s.workers, worker{id: s.number, set: s.set})
		w = &s.workers[len(s.workers)-1]
	} else if w.phase == spare {
		s.spareEarly = 0
	}
	w.enter(starting, now, "")
	w.gen, w.trial = a.gen, a.trial
	risk := s.count(s.gen.number, ready) == 0 && !s.candidate(a.gen)
	for _, m := range s.images {
		if m.opening {
			if !risk || s.loading(m.path) {
				continue
			}
			risk = false
		}
		w.assigned = append(w.assigned, m.path)
	}
	return w.id
}

// promote has a generation serve. The reasons for it are gone, whichever led to it.
func (s *state) promote(g generation, now time.Time, roll float64) {
	s.gen, s.next = g, nil
	s.rolls, s.rollAfter = 0, time.Time{}
	s.clock = nextClock(s.set.Recycle.At, now)
	s.begun(now, roll)
	s.totals.recycles++
}
