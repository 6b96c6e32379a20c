package pool

import (
	"errors"
	"slices"
	"time"
)

// startFailed: a worker did not become ready; its process is gone or is being killed.
func (s *state) startFailed(id int, err error, now time.Time, roll float64) {
	if w := s.worker(id); w != nil && w.phase == starting {
		s.failed(w, err, now, roll)
		w.enter(failed, now, err.Error())
	}
}

// gone: the process of a worker has ended. It says whether that was a crash.
func (s *state) gone(id int, err error, now time.Time, roll float64) bool {
	i := slices.IndexFunc(s.workers, func(w worker) bool { return w.id == id })
	if i < 0 {
		return false
	}
	w := s.workers[i]
	s.workers = slices.Delete(s.workers, i, i+1)
	if w.isSpare() {
		s.spareLost(&w, now, roll)
	}
	if w.phase != starting && w.phase != ready {
		return false
	}
	s.failed(&w, err, now, roll)
	return true
}

// failed is a crash: of an image that is being opened and would have been the only one, of a generation that does not serve yet,
// whose failure hurts nobody, or of the pool.
func (s *state) failed(w *worker, err error, now time.Time, roll float64) {
	s.totals.crashes++
	for _, image := range slices.Concat(w.assigned, []string{w.loading}) {
		if m := s.image(image); m != nil && m.opening && !w.has(image) {
			s.notLoaded(w, image, err, now)
		}
	}
	switch {
	case s.candidate(w.gen):
		s.swap.lost(w, err)
	case s.next != nil && w.gen == s.next.number:
		s.next.failed = err.Error()
	case w.gen == s.gen.number && len(s.images) > 0:
		s.trouble = err
		s.crash(w, now, roll)
	}
}

// fault: a worker contained a fault in an image. The request that had it was answered. It says whether that is news. A fault
// while the image is loaded is only a failure of that.
func (s *state) fault(id int, image, reason string, now time.Time, roll float64) bool {
	w := s.worker(id)
	if w == nil || w.suspect != "" || w.hung != "" || w.loading == image || w.phase != ready {
		return false
	}
	w.suspect = reason
	s.totals.faults++
	switch {
	case s.candidate(w.gen):
		if s.swap.stage == proving {
			s.swap.fail(errors.New(reason))
		}
	case s.next != nil && w.gen == s.next.number:
		s.next.failed = reason
	case w.gen == s.gen.number && !w.answered:
		s.crash(w, now, roll)
	}
	return true
}

// forget the crashes of the past.
func (s *state) forget() {
	s.crashes, s.early, s.startAfter = nil, 0, time.Time{}
	s.degraded, s.retries, s.retryAt = false, 0, time.Time{}
}

// crash counts the crash of a worker that served, or should have. With too many in the window the pool is degraded: one worker
// at a time is tried, at growing intervals, until one stands.
func (s *state) crash(w *worker, now time.Time, roll float64) {
	c := &s.set.Crashes
	s.pruneCrashes(now)
	s.crashes = append(s.crashes, now)
	if w.answered {
		s.early, s.startAfter = 0, now
	} else {
		s.early++
		s.startAfter = now.Add(jitter(doubled(c.Backoff, c.BackoffMax, s.early-1), roll))
	}
	switch {
	case w.trial:
		s.retries++
		s.retryAt = now.Add(jitter(doubled(c.Retry, c.RetryMax, s.retries), roll))
	case !s.degraded && c.Max >= 0 && len(s.crashes) > c.Max:
		s.degraded, s.retries = true, 0
		s.retryAt = now.Add(jitter(c.Retry, roll))
	}
}

// pruneCrashes forgets those that left the window.
func (s *state) pruneCrashes(now time.Time) {
	s.crashes = slices.DeleteFunc(s.crashes, func(t time.Time) bool { return now.Sub(t) > s.set.Crashes.Window })
}

// doubled is d doubled n times, at most limit.
func doubled(d, limit time.Duration, n int) time.Duration {
	for ; n > 0 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// jitter is d, up to a fifth less or more as roll in [0, 1) says.
func jitter(d time.Duration, roll float64) time.Duration {
	return d + time.Duration((roll-0.5)*0.4*float64(d))
}

// stands says whether the worker that a degraded pool tries has shown that it can live: it answered a request or a ping after
// its start, or is there for as long as crashes are remembered.
func (s *state) stands(w *worker, now time.Time) bool {
	return w.phase == ready && (w.answered || !w.pinged.IsZero() || now.Sub(w.since) >= s.set.Crashes.Window)
}
