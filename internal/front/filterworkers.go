package front

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/site"
)

// workerChain is the filters in front of an application whose requests run in workers. They are loaded there if need be: then a
// request takes its way through them in the worker that runs it. open finds the executor of an image.
func (f *Front) workerChain(s *setup, open site.Opener, app *executor.App, filters []executor.FilterRef) (executor.Chain, error) {
	c := &workerChain{setup: s, open: open, filters: filters, group: s.key(filters[0].Image, app).group}
	for i, ref := range filters {
		e, err := open(ref.Image, app)
		if err != nil {
			return nil, err
		}
		switch k := kindIn(e); {
		case i == 0:
			c.kind = k
		case k != c.kind:
			return nil, fmt.Errorf("filter %q is for %s and filter %q for %s: a request goes through all its filters in one worker; use filters of one kind in an application", filters[0].Image, c.kind, ref.Image, k)
		}
		if _, tried := e.(trying); i == 0 || tried {
			c.first = e
		}
	}
	return c, nil
}

// checkKinds looks at filters that are loaded already: whether those of an application have workers together.
func (f *Front) checkKinds(s *setup) (errs []error) {
	find := func(image string, app *executor.App) (executor.Executor, error) {
		return f.cache.find(s.key(image, app))
	}
	s.eachApplication(func(_ *site.Site, app *executor.App, c *config.Application) {
		filters := site.FiltersOf(s.cfg, s.siteOf(app), c)
		if p := s.cfg.Pools[app.Pool]; len(filters) < 2 || p == nil || p.Mode != config.ModeIsolated {
			return
		}
		if _, err := f.workerChain(s, find, app, filters); err != nil {
			errs = append(errs, &LoadError{filters[0].Image, app.Pool, err})
		}
	})
	return errs
}

// workerChain is filters in the workers of a group.
type workerChain struct {
	setup   *setup
	open    site.Opener
	filters []executor.FilterRef
	group   group
	kind    kind
	first   executor.Executor // of a filter: runs what leads to no image of the group. In a probe, that of the version which is tried
}

// Inside implements [executor.Chain].
func (c *workerChain) Inside() bool { return false }

// Serve implements [executor.Chain].
func (c *workerChain) Serve(w http.ResponseWriter, r *http.Request, h executor.FilterHost) executor.Result {
	rt := h.Route(r)
	e, local := c.first, false
	if _, tried := e.(trying); !tried {
		if of := c.member(rt); of != nil {
			e, local = of, true
		}
	}
	t := &executor.Target{App: rt.App}
	if rt.Target != nil {
		*t = *rt.Target
	}
	t.User, t.Host = nil, h // the user is that of the route
	if of, ok := h.(interface{ Trail() *executor.Trail }); ok {
		t.Trail = of.Trail() // also of a request that leads to no image
	}
	t.Filtered = &executor.Filtered{
		Filters: c.filters, Route: rt, Host: h, Connection: conn.From(r.Context()).Number(), Local: local, Here: c.here,
	}
	return e.Execute(w, r, t)
}

// here says whether the image of a route runs in the workers that have the filters.
func (c *workerChain) here(rt *executor.Route) bool { return c.member(rt) != nil }

// member is the executor of a route whose image runs in the workers that have the filters; nil: it does not, or cannot be loaded, which whoever
// answers behind the filters says. An image of another kind than the filters has workers of its own, and its answer comes to them as a file does.
func (c *workerChain) member(rt *executor.Route) executor.Executor {
	p := c.setup.cfg.Pools[rt.App.Pool]
	if rt.Image == "" || p == nil || p.Mode != config.ModeIsolated || c.setup.key(rt.Image, rt.App).group != c.group {
		return nil
	}
	e, err := c.open(rt.Image, rt.App)
	if err != nil || kindIn(e) != c.kind {
		return nil
	}
	return e
}

// kindIn is the kind of the workers that an executor has now.
func kindIn(e executor.Executor) kind {
	for {
		switch x := e.(type) {
		case *housed:
			return x.now.Load().kind
		case trying:
			return x.kind
		case interface{ Unwrap() executor.Replaceable }:
			e = x.Unwrap()
		default:
			return native
		}
	}
}

// filtersOfPool are the images that applications of a pool have as filters.
func filtersOfPool(cfg *config.Config, p *config.Pool) (images []string) {
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		for j := range s.Applications {
			a := &s.Applications[j]
			if cfg.Pools[a.Pool] != p {
				continue
			}
			for _, ref := range site.FiltersOf(cfg, s, a) {
				if !slices.Contains(images, ref.Image) {
					images = append(images, ref.Image)
				}
			}
		}
	}
	return images
}
