package inprocess

import (
	"context"
	"errors"
	"net/http"

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

// Filter chooses the version that a request goes to, and answers the filter half of that. It stays loaded until the end of the passage.
// Filter waits as [Image.Execute] does; an error is a *[RefusedError] or [ErrNoFilter].
func (i *Image) Filter(p *Passage) (*filter.Filter, error) {
	v, inside, why := i.admit(p.r, p, nil)
	switch {
	case why != nil:
		return nil, &RefusedError{why.status, why.why}
	case inside:
		return v.ext.Filter(), nil
	}
	return v.filter(p)
}

// Filter is [Image.Filter] for the new version, whatever is routed where.
func (r *replacement) Filter(p *Passage) (*filter.Filter, error) {
	if !r.new.Enter() {
		return nil, &RefusedError{http.StatusServiceUnavailable, "version is being unloaded"}
	}
	return r.new.filter(p)
}

// filter answers the filter half for a request that has entered.
func (v *version) filter(p *Passage) (*filter.Filter, error) {
	switch {
	case v.ext.Filter() == nil:
		v.Leave()
		return nil, ErrNoFilter
	case v.ext.Refuses():
		v.Leave()
		return nil, &RefusedError{http.StatusInternalServerError, "filter had a fault and its policy is to refuse"}
	}
	passages.add(p, v)
	return v.ext.Filter(), nil
}

// bound is the version whose filter half a request goes through already; nil: none. p is its passage, if that is known. It is asked only
// while there is more than one version that it could be, or while requests wait for one.
func (i *Image) bound(p *Passage, ctx context.Context) *version {
	i.mu.Lock()
	defer i.mu.Unlock()
	for v := range i.living {
		if passages.has(p, ctx, v) {
			return v
		}
	}
	return nil
}
