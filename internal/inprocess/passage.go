package inprocess

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// Passage is a request on its way through the filter halves of images in this process. The versions that it goes through stay loaded until
// its end. Until then whatever else of their images is wanted for the request, or for a copy of it with the same context, is of the
// same versions: the extension, or the filter for a child request.
type Passage struct {
	r *http.Request // as it came: nobody changes that

	users  int        // who have begun it and not ended it; guarded by passages.mu, as all below
	inside []*version // each once
	since  time.Time  // when it began, or had waited for the last of them
}

// passages are all there are.
var passages = passing{on: map[context.Context]*Passage{}, spare: sync.Pool{New: func() any { return &Passage{} }}}

type passing struct {
	mu    sync.Mutex // guards on
	on    map[context.Context]*Passage
	spare sync.Pool
}

// Begin begins the passage of a request that has come at a time; one that goes on already with the same context is the same. The caller
// must call End.
func Begin(r *http.Request, came time.Time) *Passage {
	passages.mu.Lock()
	defer passages.mu.Unlock()
	p := passages.on[r.Context()]
	if p == nil {
		p = passages.spare.Get().(*Passage)
		p.r, p.since = r, came
		passages.on[r.Context()] = p
	}
	p.users++
	return p
}

// End lets go of the versions, if nobody else is on the same passage. What became of the request counts for those that are no
// extensions: they have nothing else to be judged by. nil: it was no request, or had no result.
func (p *Passage) End(res *executor.Result) {
	passages.mu.Lock()
	p.users--
	over := p.users == 0
	if over {
		delete(passages.on, p.r.Context())
	}
	passages.mu.Unlock()
	if !over {
		return
	}
	if res != nil {
		p.count(res)
	}
	for _, v := range p.inside {
		v.Leave()
	}
	clear(p.inside)
	*p = Passage{inside: p.inside[:0]}
	passages.spare.Put(p)
}

// count counts its result for the versions it goes through.
func (p *Passage) count(res *executor.Result) {
	took := time.Duration(-1)
	for _, v := range p.inside {
		if !v.ext.FilterOnly() {
			continue
		}
		if took < 0 {
			took = time.Since(p.since)
		}
		v.counter.Done(res, took)
	}
}

// add has p keep a version that it has entered, once.
func (all *passing) add(p *Passage, v *version) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if slices.Contains(p.inside, v) {
		v.Leave()
		return
	}
	p.inside = append(p.inside, v)
}

// waited notes that a request has waited for a version.
func (all *passing) waited(p *Passage) {
	all.mu.Lock()
	defer all.mu.Unlock()
	p.since = time.Now()
}

// has says whether p, or if that is nil the passage with that context, goes through a version.
func (all *passing) has(p *Passage, ctx context.Context, v *version) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	if p == nil {
		p = all.on[ctx]
	}
	return p != nil && slices.Contains(p.inside, v)
}

// through says which requests go through a version.
func (all *passing) through(v *version) (list []*request) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, p := range all.on {
		if slices.Contains(p.inside, v) {
			list = append(list, newRequest(p.r, p.since))
		}
	}
	return list
}
