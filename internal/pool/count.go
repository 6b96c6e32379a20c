package pool

import (
	"slices"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/tally"
)

// counted is what is counted for: an image in a generation, which has it in one version.
type counted struct {
	gen   int
	image string
}

// counter counts for an image in a generation. The lock is held; counting needs none.
func (p *Pool) counter(gen int, image string) *tally.Counter {
	c := p.counters[counted{gen, image}]
	if c == nil {
		c = &tally.Counter{}
		p.counters[counted{gen, image}] = c
	}
	return c
}

// prune forgets what was counted for generations that are gone, replacements that are over, and killers that may be tried again. The
// lock is held.
func (p *Pool) prune() {
	s := p.state
	for of := range p.counters {
		if !s.current(of.gen) && !s.has(of.gen) {
			delete(p.counters, of)
		}
	}
	p.swaps = slices.DeleteFunc(p.swaps, func(r *replacement) bool {
		return r.sw.stage == withdrawn || r.sw.stage == settled && !p.left(r.sw.old.number)
	})
	for b, k := range p.killers {
		if time.Now().After(k.until) {
			delete(p.killers, b)
		}
	}
}

// countCrash counts the crash of a worker for each image it had, or was to load: nobody knows whose it was. The lock is held.
func (p *Pool) countCrash(w *worker) {
	images := w.loaded
	if len(images) == 0 {
		images = w.assigned
	}
	for _, image := range images {
		p.counter(w.gen, image).Crashed()
	}
}

// countDeath counts the end of a worker, if it is one that nobody asked for and that is not due to somebody outside. The lock is
// held.
func (p *Pool) countDeath(w *worker, o *remote.Obituary) {
	if w == nil || o.Expected() || outside(o) {
		return
	}
	failed := o.Exit.Signal != 0 || o.Exit.Code != 0
	if w.phase == starting || w.phase == ready || w.phase == retiring && failed && o.Reason == "" {
		p.countCrash(w)
	}
}

// countLost counts a request that got the answer of a lost worker. When that was killed from outside, or never heard of the request,
// it says nothing about the version.
func (rt *route) countLost(res *executor.Result, lost *remote.Lost, took time.Duration) {
	says := !lost.Unsent && !outside(lost)
	if says {
		rt.counter.Done(res, took)
	}
	if !says || !res.Broken { // else Done has counted it
		rt.counter.Lost()
	}
}
