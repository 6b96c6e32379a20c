package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/isapid/isapid/internal/executor"
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

// answer ends one Open: the image was loaded, or err says why it was dropped.
type answer struct {
	image   string
	version executor.Version
	err     error
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

// imageState is an image of the pool.
type imageState struct {
	path    string
	version executor.Version // that the generation which serves loads
	opening bool             // no worker has loaded it yet and somebody waits for the answer
	err     error            // of the last load, nil if that was good or there was none
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

func (w *worker) has(image string) bool { return slices.Contains(w.loaded, image) }

const (
	sampleEvery = 5 * time.Second  // between two looks at the memory of a worker
	reloadAfter = 30 * time.Second // before an image that failed to load in a worker is tried again
)

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

// overdue: a request was in a worker for too long. Its client was answered.
func (s *state) overdue(id int, reason string) {
	if w := s.worker(id); w != nil && w.hung == "" {
		w.hung = reason
	}
}

// checked: the end of a ping. A nil err is an answer.
func (s *state) checked(id int, err error, now time.Time) {
	w := s.worker(id)
	if w == nil {
		return
	}
	w.pinging, w.pingAt = false, now.Add(s.set.Ping)
	if err == nil {
		w.pinged = now
	} else {
		w.sick = err.Error()
	}
}

// sampled: the memory of a worker was read.
func (s *state) sampled(id int, resident, private int64, now time.Time) {
	w := s.worker(id)
	if w == nil {
		return
	}
	w.sampling, w.sampleAt = false, now.Add(sampleEvery)
	if resident > 0 {
		w.resident, w.private = resident, private
		w.trend.add(now, private)
	}
}

// unhealthy: an extension asked for its end.
func (s *state) unhealthy(id int, reason string) {
	if w := s.worker(id); w != nil && w.gen == s.gen.number && w.phase == ready && s.asked == "" {
		s.asked = reason
	}
}

// recycle: the operator wants a new generation, or the settings changed. All that delays a start is forgotten. While a version is
// being replaced the new generation waits for the end of that.
func (s *state) recycle(reason string) {
	s.forget()
	s.rolls, s.rollAfter = 0, time.Time{}
	if s.awakened() && len(s.workers) > 0 {
		s.asked = reason
	}
}

// forget the crashes of the past.
func (s *state) forget() {
	s.crashes, s.early, s.startAfter = nil, 0, time.Time{}
	s.degraded, s.retries, s.retryAt = false, 0, time.Time{}
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

// addImage adds an image, if there is none with the path. Where workers are wanted, the answer comes when one has loaded it;
// else it is taken as it is, and false is returned.
func (s *state) addImage(path string, v executor.Version) (waits bool) {
	m := s.image(path)
	if m == nil {
		s.images = append(s.images, imageState{path: path, version: v, opening: s.want == wantRun && (s.awake || !s.set.OnDemand)})
		m = &s.images[len(s.images)-1]
	}
	return m.opening
}

// takeUnseen ends the wait of those who open images, because no worker is wanted that could load them now.
func (s *state) takeUnseen() {
	for i := range s.images {
		if m := &s.images[i]; m.opening {
			m.opening = false
			s.answers = append(s.answers, answer{m.path, m.version, nil})
		}
	}
}

func (s *state) image(path string) *imageState {
	for i := range s.images {
		if s.images[i].path == path {
			return &s.images[i]
		}
	}
	return nil
}

// dropImage has workers not load the image any more, and forget that they have: who opens it again may want another version. Its
// replacement is over.
func (s *state) dropImage(path string) {
	s.dropSwaps(path)
	s.images = slices.DeleteFunc(s.images, func(m imageState) bool { return m.path == path })
	is := func(image string) bool { return image == path }
	for i := range s.workers {
		w := &s.workers[i]
		w.loaded, w.assigned = slices.DeleteFunc(w.loaded, is), slices.DeleteFunc(w.assigned, is)
		delete(w.retry, path)
	}
}

// wants says whether a worker of a generation is to have a version of an image.
func (s *state) wants(gen int, b build) bool {
	return s.image(b.path) != nil && s.version(gen, b.path) == b.version
}

// notLoading: what a worker was loading is not wanted any more.
func (s *state) notLoading(id int) {
	if w := s.worker(id); w != nil {
		w.loading = ""
	}
}

// imageLoaded: the end of a load in a worker that serves.
func (s *state) imageLoaded(id int, path string, err error, now time.Time) {
	w := s.worker(id)
	if w == nil || w.loading != path {
		return // it is gone, and its end was the answer
	}
	w.loading = ""
	if err != nil {
		s.notLoaded(w, path, err, now)
		if errors.Is(err, context.DeadlineExceeded) && s.asked == "" {
			s.asked = "an image did not end its load"
		}
		return
	}
	w.loaded = append(w.loaded, path)
	s.proven(path)
}

func (s *state) proven(path string) {
	m := s.image(path)
	if m == nil {
		return
	}
	if m.opening {
		s.answers = append(s.answers, answer{path, m.version, nil})
	}
	m.opening, m.err = false, nil
}

// notLoaded: an image that somebody opens is dropped, another is tried again later.
func (s *state) notLoaded(w *worker, path string, err error, now time.Time) {
	m := s.image(path)
	switch {
	case m == nil:
		return
	case m.opening:
		s.answers = append(s.answers, answer{path, m.version, err})
		s.dropImage(path)
		return
	case w.gen == s.gen.number || s.next != nil && w.gen == s.next.number:
		m.err = err
	}
	if w.retry == nil {
		w.retry = map[string]time.Time{}
	}
	w.retry[path] = now.Add(reloadAfter)
}
