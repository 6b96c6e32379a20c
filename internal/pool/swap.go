package pool

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// swap is the replacement of one version of an image by another, from the moment it is asked for. The workers of a generation load
// an image in the version of that generation; while a swap is under way there are two versions of one image.
type swap struct {
	image    string
	from, to executor.Version
	hold     bool // the two versions may not run at the same time
	reason   string

	stage  stage
	old    generation // that served at its turn
	new    int        // generation of the new version
	share  float64    // of the requests that the new version gets before the commit
	asked  string     // why the generation that served was to be replaced; the new one would settle that
	failed error      // why the new version cannot go on
}

// stage is how far a swap is.
type stage int

const (
	queued    stage = iota // it waits for its turn
	emptying               // requests are held, the old version ends
	proving                // workers with the new version start
	proven                 // they are ready: somebody commits or reverts
	serving                // committed: the new version serves, the old one is kept warm, if it is there
	settled                // over: the new version serves
	withdrawn              // over: the old version serves
)

func (s stage) String() string {
	return [...]string{"waiting", "emptying", "starting", "ready", "serving", "settled", "withdrawn"}[s]
}

// maxDraining is how many generations may drain while another swap begins: one less than may at its end.
const maxDraining = 1

// swapping says whether a version is being replaced, or is to be.
func (s *state) swapping() bool { return s.swap != nil || len(s.asks) > 0 }

// holding says whether requests wait for the end of a swap.
func (s *state) holding() bool {
	return s.swap != nil && s.swap.hold && s.swap.stage < serving
}

// candidate says whether a generation is that of a new version that does not serve yet.
func (s *state) candidate(gen int) bool {
	return s.swap != nil && gen == s.swap.new && s.swap.stage < serving
}

// version is the one that workers of a generation load of an image.
func (s *state) version(gen int, image string) executor.Version {
	if sw := s.swap; sw != nil && sw.image == image {
		if gen == sw.new {
			return sw.to
		}
		return sw.from
	}
	if m := s.image(image); m != nil {
		return m.version
	}
	return executor.Version{}
}

// ask: somebody wants a version replaced.
func (s *state) ask(sw *swap) error {
	switch {
	case s.want == wantStop:
		return executor.ErrStopped
	case s.want == wantEnd || s.image(sw.image) == nil:
		return executor.ErrClosed
	}
	s.asks = append(s.asks, sw)
	return nil
}

// beginSwap: the first of those who wait has its turn. A new generation of the same versions that is being started is given up: it
// would be replaced at once.
func (s *state) beginSwap(gen int) {
	sw := s.asks[0]
	s.asks = s.asks[1:]
	s.swap, s.last = sw, gen
	sw.from, sw.old, sw.new = s.image(sw.image).version, s.gen, gen
	sw.asked, s.asked = s.asked, ""
	if s.next != nil {
		sw.asked, s.next = cmp.Or(sw.asked, s.next.reason), nil
	}
	sw.stage = proving
	if sw.hold {
		sw.stage = emptying
	}
}

func (sw *swap) fail(err error) {
	if sw.failed == nil {
		sw.failed = err
	}
}

// lost: a worker with the new version is, before the commit. One that had answered is started again, and one that was killed from
// outside, once the version has been ready.
func (sw *swap) lost(w *worker, err error) {
	if sw.stage != proven || !w.answered && !outside(err) {
		sw.fail(err)
	}
}

// shared: a part of the requests goes to the new version.
func (s *state) shared(sw *swap, part float64) {
	if s.swap == sw && sw.stage == proven && !sw.hold {
		sw.share = min(max(part, 0), 1)
	}
}

// commit: the new version serves. What happened to the old one is forgotten. It says whether that is news.
func (s *state) commit(sw *swap, now time.Time, roll float64) bool {
	if s.swap != sw || sw.stage != proven {
		return false
	}
	m := s.image(sw.image)
	m.version, m.err = sw.to, nil
	sw.stage, sw.share = serving, 0
	s.gen = generation{number: sw.new, reason: sw.reason, due: s.tooOld(now, roll)}
	s.rolls, s.rollAfter = 0, time.Time{}
	s.totals.recycles++
	s.forget()
	s.awake, s.lastUse = true, now
	return true
}

// settle: the old version is not needed any more. It says whether the new one has replaced it.
func (s *state) settle(sw *swap) bool {
	if s.swap == sw && sw.stage == serving {
		s.swap, sw.stage = nil, settled
	}
	return sw.stage == settled
}

// revert: the old version serves again, if it is not over. It says whether it does.
func (s *state) revert(sw *swap, now time.Time) bool {
	switch {
	case sw.stage == serving && s.swap == sw:
		m := s.image(sw.image)
		m.version, m.err = sw.from, nil
		s.gen = sw.old
		s.forget()
		s.awake, s.lastUse = true, now
		s.endSwap(sw, "the new version was taken back")
	case sw.stage < serving:
		s.withdraw(sw, errors.New("it was taken back"))
	}
	return sw.stage == withdrawn
}

// withdraw ends a swap before its commit.
func (s *state) withdraw(sw *swap, why error) {
	sw.fail(why)
	if s.swap == sw {
		s.endSwap(sw, "the new version did not come up")
		return
	}
	s.asks = slices.DeleteFunc(s.asks, func(a *swap) bool { return a == sw })
	sw.stage = withdrawn
}

// endSwap: the old version is to serve. When it may not run beside the new one, that is in a generation of its own.
func (s *state) endSwap(sw *swap, reason string) {
	s.swap, sw.stage = nil, withdrawn
	s.asked = cmp.Or(s.asked, sw.asked)
	if sw.hold {
		s.last++
		s.gen = generation{number: s.last, reason: reason, alone: true}
	}
}

// dropSwaps ends the replacements of an image that is closed.
func (s *state) dropSwaps(image string) {
	for _, sw := range s.swaps() {
		if sw.image == image && !s.settle(sw) {
			s.withdraw(sw, executor.ErrClosed)
		}
	}
}

// stopSwaps gives up the replacements that nobody could commit yet, because the workers end.
func (s *state) stopSwaps(why error) {
	for _, sw := range s.swaps() {
		if sw.stage < proven {
			s.withdraw(sw, why)
		}
	}
}

func (s *state) swaps() []*swap {
	list := slices.Clone(s.asks)
	if s.swap != nil {
		list = append(list, s.swap)
	}
	return list
}

// replace brings the replacement of a version forward, or begins the next.
func (d *decider) replace() {
	s, sw := d.s, d.s.swap
	switch {
	case sw == nil && len(s.asks) > 0 && s.draining() <= maxDraining:
		next := s.asks[0]
		d.add(action{do: doReplace, gen: s.last + 1, image: next.image, reason: next.reason})
	case sw == nil:
	case sw.failed != nil && sw.stage < proven:
		d.add(action{do: doReject, gen: sw.new, image: sw.image, reason: sw.failed.Error()})
	case sw.stage == emptying && !s.empty():
		d.retireWorkers(fmt.Sprintf("generation %d may not run beside it", sw.new))
	case sw.stage == emptying:
		d.add(action{do: doProve, gen: sw.new, image: sw.image})
	case sw.failed == nil && sw.stage <= proven:
		up, coming := s.sound(sw.new, ready), s.sound(sw.new, starting)
		if sw.stage == proving && up >= s.set.Workers {
			d.add(action{do: doProven, gen: sw.new, image: sw.image})
			return
		}
		d.start(sw.new, s.set.Workers-up-coming, false)
	}
}

// draining is the number of generations that neither serve nor shall and are not gone yet.
func (s *state) draining() int {
	seen := map[int]bool{}
	for i := range s.workers {
		if w := &s.workers[i]; !s.current(w.gen) && !w.orphan && !w.isSpare() {
			seen[w.gen] = true
		}
	}
	return len(seen)
}

// empty says whether no process is left, but for spares and those that are kept for a debugger.
func (s *state) empty() bool {
	return !slices.ContainsFunc(s.workers, func(w worker) bool { return !w.orphan && !w.isSpare() })
}

// deserted says whether no process is left, but for those that are kept for a debugger: they end with the pool.
func (s *state) deserted() bool {
	return !slices.ContainsFunc(s.workers, func(w worker) bool { return !w.orphan })
}

// has says whether a process of a generation is left.
func (s *state) has(gen int) bool {
	return slices.ContainsFunc(s.workers, func(w worker) bool { return w.gen == gen && !w.orphan })
}

// label is what logs call a version.
func label(v executor.Version) string {
	switch {
	case v.SHA256 != "":
		return v.SHA256[:min(12, len(v.SHA256))]
	case v.File != "":
		return filepath.Base(v.File)
	}
	return "the file at its path"
}
