package inprocess

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
)

// ErrNoFilter is why a request cannot go through an image that has no filter half, or was opened without [executor.Options].Filter.
var ErrNoFilter = errors.New("the image has no filter")

// RefusedError is why a request goes through no version of an image.
type RefusedError struct {
	Status int // of the answer it is to get
	Why    string
}

// Error implements error.
func (e *RefusedError) Error() string { return e.Why }

// Filter chooses the version that r goes to, and answers the filter half of that, for this request. It stays loaded until release is
// called, which must be, once, with the result of the request; nil: it was none, or had none. Until then whatever else in the image is wanted for r, or for a copy of it with the same context, is that
// of the same version: its extension, or the filter for a child request. Filter waits as [Image.Execute] does; an error is a
// *[RefusedError] or [ErrNoFilter].
func (i *Image) Filter(r *http.Request) (f *filter.Filter, release func(*executor.Result), err error) {
	v, inside, why := i.admit(r, nil)
	switch {
	case why != nil:
		return nil, nil, &RefusedError{why.status, why.why}
	case inside:
		v.filtering.add(r)
		return v.ext.Filter(), func(res *executor.Result) { v.filtered(r.Context(), res) }, nil
	}
	return v.filter(r)
}

// Filter is [Image.Filter] for the new version, whatever is routed where.
func (r *replacement) Filter(q *http.Request) (f *filter.Filter, release func(*executor.Result), err error) {
	if !r.new.Enter() {
		return nil, nil, &RefusedError{http.StatusServiceUnavailable, "version is being unloaded"}
	}
	return r.new.filter(q)
}

// filter answers the filter half for a request that has entered.
func (v *version) filter(r *http.Request) (f *filter.Filter, release func(*executor.Result), err error) {
	switch {
	case v.ext.Filter() == nil:
		v.Leave()
		return nil, nil, ErrNoFilter
	case v.ext.Refuses():
		v.Leave()
		return nil, nil, &RefusedError{http.StatusInternalServerError, "filter had a fault and its policy is to refuse"}
	}
	v.filtering.add(r)
	return v.ext.Filter(), func(res *executor.Result) { v.filtered(r.Context(), res) }, nil
}

// filtered is the end of what Filter began. What became of the request counts for a version that is no extension: it has nothing else to
// be judged by.
func (v *version) filtered(ctx context.Context, res *executor.Result) {
	since, last := v.filtering.remove(ctx)
	if !last {
		return
	}
	if v.ext.FilterOnly() && res != nil {
		v.counter.Done(res, time.Since(since))
	}
	v.Leave()
}

// filtering are the requests that go through the filter half of a version, by their contexts.
type filtering struct {
	mu  sync.Mutex // guards all
	set map[context.Context]filtered
}

// filtered is one of them.
type filtered struct {
	r     *http.Request // as it was added first: nobody changes that
	since time.Time
	times int // that it was added
}

func (f *filtering) add(r *http.Request) {
	ctx := r.Context()
	f.mu.Lock()
	defer f.mu.Unlock()
	q, again := f.set[ctx]
	if !again {
		q = filtered{r: r, since: time.Now()}
	}
	if f.set == nil {
		f.set = map[context.Context]filtered{}
	}
	q.times++
	f.set[ctx] = q
}

// remove undoes an add. since is when the first was, if this was the last.
func (f *filtering) remove(ctx context.Context) (since time.Time, last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.set[ctx]
	if q.times--; q.times > 0 {
		f.set[ctx] = q
		return since, false
	}
	delete(f.set, ctx)
	return q.since, true
}

func (f *filtering) has(ctx context.Context) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.set[ctx]
	return ok
}

// list says which they are.
func (f *filtering) list() (all []*request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.set {
		all = append(all, newRequest(q.r, q.since))
	}
	return all
}

// bound is the version whose filter half a request goes through already; nil: none. It is asked only while there is
// more than one version that it could be, or while requests wait for one.
func (i *Image) bound(ctx context.Context) *version {
	i.mu.Lock()
	defer i.mu.Unlock()
	for v := range i.living {
		if v.filtering.has(ctx) {
			return v
		}
	}
	return nil
}
