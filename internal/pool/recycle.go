package pool

import (
	"fmt"
	"time"
)

// recycle: the operator wants a new generation, or the settings changed. All that delays a start is forgotten. While a version is
// being replaced the new generation waits for the end of that.
func (s *state) recycle(reason string) {
	s.forget()
	s.rolls, s.rollAfter = 0, time.Time{}
	if s.awakened() && len(s.workers) > 0 {
		s.asked = reason
	}
}

// begun: the generation that serves has its first worker, and nothing older does. Its age counts from here.
func (s *state) begun(now time.Time, roll float64) {
	s.asked = ""
	s.gen.due = s.tooOld(now, roll)
	if !s.clock.After(now) {
		s.clock = nextClock(s.set.Recycle.At, now)
	}
}

// tooOld is when a generation that serves from now on is; zero: never.
func (s *state) tooOld(now time.Time, roll float64) time.Time {
	d := s.set.Recycle.After
	if d <= 0 {
		return time.Time{}
	}
	return now.Add(d - d/10 + time.Duration(roll*float64(d/5)))
}

// due is why the generation that serves must be replaced, by its limits; "" if it need not. Otherwise the time is when a limit
// will be reached that depends on time alone; zero if there is none.
func (s *state) due(now time.Time) (reason string, at time.Time) {
	at = earliest(s.gen.due, s.clock)
	switch {
	case s.asked != "":
		return s.asked, at
	case passed(s.gen.due, now):
		return "age", at
	case passed(s.clock, now):
		return "clock time " + s.clock.Format("15:04:05"), at
	}
	for i := range s.workers {
		w := &s.workers[i]
		if w.gen != s.gen.number || w.phase != ready {
			continue
		}
		if why := s.set.Recycle.exceeded(w); why != "" {
			return fmt.Sprintf("%s of worker %d", why, w.id), at
		}
	}
	return "", at
}

// exceeded is the limit that a worker has passed.
func (r *Recycle) exceeded(w *worker) string {
	switch slope, known := w.trend.slope(); {
	case r.Requests > 0 && w.count >= r.Requests:
		return fmt.Sprintf("%d requests", w.count)
	case r.Memory > 0 && w.resident > r.Memory:
		return fmt.Sprintf("%d MiB resident memory", w.resident>>20)
	case r.PrivateMemory > 0 && w.private > r.PrivateMemory:
		return fmt.Sprintf("%d MiB private memory", w.private>>20)
	case r.Slope > 0 && known && slope > float64(r.Slope):
		return fmt.Sprintf("memory growing by %.1f MiB an hour", slope/(1<<20))
	}
	return ""
}

func passed(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// earliest is the first of the times that are not zero.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// nextClock is the first of the clock times that comes after now, today or tomorrow; zero if there are none. A clock time that
// daylight saving skips is taken an hour later.
func nextClock(at []time.Duration, now time.Time) (next time.Time) {
	y, m, d := now.Date()
	for _, c := range at {
		t := time.Date(y, m, d, 0, 0, int(c/time.Second), 0, now.Location())
		if !t.After(now) {
			t = time.Date(y, m, d+1, 0, 0, int(c/time.Second), 0, now.Location())
		}
		next = earliest(next, t)
	}
	return next
}

// trend is the memory of a worker over the last hour, a sample a minute.
type trend struct{ samples []sample }

type sample struct {
	at    time.Time
	bytes int64
}

const (
	trendEvery  = time.Minute
	trendWindow = time.Hour
	trendLeast  = 10 * time.Minute // before it says anything
	trendCount  = 10               // samples, likewise
)

// add takes a sample, unless the last one is too young.
func (t *trend) add(now time.Time, bytes int64) {
	if n := len(t.samples); n > 0 && now.Sub(t.samples[n-1].at) < trendEvery {
		return
	}
	t.samples = append(t.samples, sample{now, bytes})
	for now.Sub(t.samples[0].at) > trendWindow {
		t.samples = t.samples[1:]
	}
}

// slope is the growth in bytes an hour, by least squares. It is not known before there are enough samples.
func (t *trend) slope() (perHour float64, known bool) {
	n := len(t.samples)
	if n < trendCount || t.samples[n-1].at.Sub(t.samples[0].at) < trendLeast {
		return 0, false
	}
	var x, y, xx, xy float64
	for _, s := range t.samples {
		h, b := s.at.Sub(t.samples[0].at).Hours(), float64(s.bytes)
		x, y, xx, xy = x+h, y+b, xx+h*h, xy+h*b
	}
	return (float64(n)*xy - x*y) / (float64(n)*xx - x*x), true
}
