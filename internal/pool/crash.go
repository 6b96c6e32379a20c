package pool

import (
	"slices"
	"time"
)

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
