package pool

import (
	"errors"
	"fmt"
	"time"
)

// state is all that decisions are made of: plain data, owned by the loop. Its methods are the events; each takes the time it
// happened and, where chance is part of the answer, a number in [0, 1).
type state struct {
	set    *Settings
	want   want
	reason string // of want
	images []imageState

	awake   bool      // an on-demand pool has work
	lastUse time.Time // end of the last request, where idle time counts
	inside  int       // requests in workers
	waiting int       // requests that wait for a worker

	last    int         // the highest number a generation has had
	gen     generation  // the one that serves, or shall
	next    *generation // the one that is being started to replace it, with the same versions of the images
	swap    *swap       // the replacement of a version that is under way
	asks    []*swap     // those that wait for their turn
	workers []worker    // whose process is not gone, in the order they were started
	number  int         // the highest a worker has had

	asked     string    // why a new generation is wanted that no limit asks for; "": it is not
	clock     time.Time // next of Recycle.At; zero: none
	rollAfter time.Time // no new generation before, because one failed
	rolls     int       // that failed in a row

	crashes    []time.Time // in the window
	early      int         // crashes before the first answer, in a row
	startAfter time.Time   // no start before
	degraded   bool
	retries    int // half-open tries so far
	retryAt    time.Time
	trouble    error // the last crash

	spareAfter time.Time // no spare is started before
	spareEarly int       // that were lost, in a row

	totals  totals
	answers []answer // to those who opened images
}

// totals only grow.
type totals struct{ crashes, faults, recycles, starts int }

// want is what the operator wants of the pool.
type want int

const (
	wantRun want = iota
	wantStop
	wantEnd
)

// generation is one rollout. Numbers are never reused.
type generation struct {
	number int
	reason string    // why it was made
	due    time.Time // it is too old then; zero: never
	alone  bool      // its workers are started when those of all others have ended
	failed string    // why it cannot replace the one that serves
}

type phase int

const (
	starting phase = iota // the process loads the images
	ready                 // it takes requests
	retiring              // it takes no more and ends when those inside have
	failed                // it is being killed, or was handed to a debugger
	warming               // the process of a spare starts
	spare                 // it has no image: it waits to be taken for a worker
)

func (p phase) String() string {
	return [...]string{"starting", "ready", "retiring", "failed", "starting", "spare"}[p]
}

// worker is one process, as the loop sees it.
type worker struct {
	id, gen int       // of a spare gen is 0
	set     *Settings // its process was started with
	phase   phase
	since   time.Time // in this phase
	reason  string    // of the phase
	trial   bool      // the one worker of a degraded pool
	orphan  bool      // failed, and kept for a debugger

	count    int64 // requests it got
	answered bool  // at least one of them well
	suspect  string
	hung     string
	sick     string // why the ping failed

	pinging  bool
	pingAt   time.Time // next
	pinged   time.Time // last answer; zero: none
	sampling bool
	sampleAt time.Time
	resident int64
	private  int64
	trend    trend

	assigned []string // images it loads at its start
	loaded   []string
	loading  string               // image
	retry    map[string]time.Time // images that failed to load: when to try again
}

func newState(set *Settings, now time.Time) *state {
	s := &state{set: set, last: 1, gen: generation{number: 1, reason: "start"}, lastUse: now}
	s.clock = nextClock(set.Recycle.At, now)
	return s
}

func (s *state) worker(id int) *worker {
	for i := range s.workers {
		if s.workers[i].id == id {
			return &s.workers[i]
		}
	}
	return nil
}

// count is the number of workers of a generation in a phase.
func (s *state) count(gen int, p phase) (n int) {
	for i := range s.workers {
		if w := &s.workers[i]; w.gen == gen && w.phase == p {
			n++
		}
	}
	return n
}

func (w *worker) enter(p phase, now time.Time, reason string) {
	w.phase, w.since, w.reason = p, now, reason
}

// ready: a worker has greeted, loaded what it could and answered a ping for each. When it could load nothing of what was
// loaded before, its start has failed.
//
// It answers false if the worker is not wanted any more.
func (s *state) ready(id int, loaded []string, failures map[string]error, now time.Time, roll float64) bool {
	w := s.worker(id)
	if w == nil || w.phase != starting {
		return false
	}
	w.loaded = loaded
	if !s.current(w.gen) {
		w.enter(retiring, now, "its generation was given up")
		return false
	}
	for image, err := range failures {
		s.notLoaded(w, image, err, now)
	}
	trying := s.candidate(w.gen)
	for _, image := range loaded {
		if !trying || image != s.swap.image {
			s.proven(image)
		}
	}
	if trying && failures[s.swap.image] != nil {
		s.startFailed(id, failures[s.swap.image], now, roll)
		return false
	}
	if len(loaded) == 0 && len(failures) > 0 && len(s.images) > 0 {
		s.startFailed(id, join(failures), now, roll)
		return false
	}
	first := s.count(s.gen.number, ready) == 0
	w.enter(ready, now, "")
	w.pingAt = now.Add(s.set.Ping)
	w.sampleAt = now.Add(sampleEvery)
	switch {
	case trying:
		if image, err := s.lost(failures); err != nil {
			s.swap.fail(fmt.Errorf("image %s cannot be loaded: %w", image, err))
		}
	case s.next != nil && w.gen == s.next.number:
		if image, err := s.lost(failures); err != nil {
			s.next.failed = fmt.Sprintf("image %s cannot be loaded: %v", image, err)
		}
	case first && w.gen == s.gen.number:
		s.begun(now, roll)
	}
	return true
}

// lost is a failure to load what a worker that serves has loaded.
func (s *state) lost(failures map[string]error) (string, error) {
	for image, err := range failures {
		for i := range s.workers {
			if w := &s.workers[i]; w.gen == s.gen.number && w.phase == ready && w.has(image) {
				return image, err
			}
		}
	}
	return "", nil
}

func join(failures map[string]error) error {
	var all []error
	for _, err := range failures {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// awakened says whether workers are wanted at all.
func (s *state) awakened() bool {
	return s.want == wantRun && len(s.images) > 0 && (s.awake || !s.set.OnDemand)
}

// configured: other settings hold from now on. A generation that is being started with the old ones is given up, unless it is that
// of another version.
func (s *state) configured(set *Settings, now time.Time) {
	s.set, s.next = set, nil
	if !s.awakened() {
		s.takeUnseen()
	}
	s.clock = nextClock(set.Recycle.At, now)
	for i := range s.workers {
		s.workers[i].pingAt = now.Add(set.Ping)
	}
}
