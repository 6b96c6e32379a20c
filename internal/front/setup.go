package front

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/server"
	"github.com/isapid/isapid/internal/site"
)

// setup is a configuration with its sites: what a request is answered by, from its begin to its end. It does not change; a reload puts
// another in its place. Executors belong to the front, so that setups share them.
type setup struct {
	cfg    *config.Config
	sites  []*site.Site   // as in cfg
	epochs map[string]int // of groups, by name, that a reload has given another pool; the others have 0

	filters map[asFilter]bool // which images are filters, and where
	globals []key             // filters of all sites that run in this process: who sees the bytes of connections

	known known // what requests have asked for

	old  atomic.Bool // another setup answers new requests
	over atomic.Bool // what only this one needs is being closed: it loads nothing any more
}

// newSetup makes the URL space of every site of cfg. It loads no image.
func (f *Front) newSetup(cfg *config.Config, epochs map[string]int) (*setup, error) {
	s := &setup{cfg: cfg, epochs: epochs}
	s.findFilters()
	open := func(image string, app *executor.App) (executor.Executor, error) { return f.open(s, image, app) }
	chains := func(app *executor.App, filters []executor.FilterRef) (executor.Chain, error) {
		return f.chain(s, open, app, filters)
	}
	for i := range cfg.Sites {
		made, err := site.New(cfg, &cfg.Sites[i], open, chains, f.logger("http"))
		if err != nil {
			return nil, err
		}
		s.sites = append(s.sites, made)
	}
	return s, nil
}

// listed are the sites as the server wants them.
func (f *Front) listed(s *setup) []server.Site {
	var list []server.Site
	for i, made := range s.sites {
		c := &s.cfg.Sites[i]
		list = append(list, server.Site{Name: c.Name, Bindings: bindings(c), Handler: made, Error: made.Error})
	}
	return list
}

// key says which executor runs image for app.
func (s *setup) key(image string, app *executor.App) key {
	g := groupOf(s.cfg, image, app)
	g.epoch = s.epochs[g.name]
	p := s.cfg.Pools[app.Pool]
	return key{image, g, insideOf(p), platformOf(p), s.filters[asFilter{image, g.name}]}
}

// fixed are the executors that do not depend on a request: those of filters, and of the images that handlers name. Filters come first,
// in the order in which they are asked: an extension may count on its filter being there.
func (s *setup) fixed() (list []key) {
	seen := map[key]bool{}
	add := func(image string, app *executor.App) {
		if k := s.key(image, app); !seen[k] {
			seen[k] = true
			list = append(list, k)
		}
	}
	s.eachFilter(func(image string, app *executor.App) { add(image, app) })
	s.eachApplication(func(_ *site.Site, app *executor.App, c *config.Application) {
		for _, h := range c.Handlers {
			if h.Extension != "" {
				add(h.Extension, app)
			}
		}
	})
	return list
}

// wants says whether a request can lead to the executor with this key.
func (s *setup) wants(k key) (found bool) {
	s.eachApplication(func(in *site.Site, app *executor.App, c *config.Application) {
		found = found || app.Pool == k.group.pool && s.key(k.image, app) == k && s.leadsTo(in, app, c, k.image)
	})
	return found
}

// leadsTo says whether requests of an application can get into an image: to be answered, or on their way.
func (s *setup) leadsTo(in *site.Site, app *executor.App, c *config.Application, image string) bool {
	filters := site.FiltersOf(s.cfg, s.siteOf(app), c)
	return slices.ContainsFunc(filters, func(r executor.FilterRef) bool { return r.Image == image }) || in.Runs(app.Path, image)
}

// eachApplication calls f with every application of every site. The App has what decides about groups.
func (s *setup) eachApplication(f func(in *site.Site, app *executor.App, c *config.Application)) {
	for i := range s.cfg.Sites {
		c := &s.cfg.Sites[i]
		for j := range c.Applications {
			a := &c.Applications[j]
			var in *site.Site // nil while they are being made
			if i < len(s.sites) {
				in = s.sites[i]
			}
			f(in, &executor.App{SiteName: c.Name, Path: a.Path, Pool: a.Pool}, a)
		}
	}
}

// patience is how long what only this setup needs may go on when another has taken its place.
func (s *setup) patience() time.Duration {
	longest := time.Second
	for _, p := range s.cfg.Pools {
		longest = max(longest, p.ShutdownLimit)
	}
	return longest
}

// open finds the executor of image for a request of s, or loads it.
func (f *Front) open(s *setup, image string, app *executor.App) (executor.Executor, error) {
	a := asked{image, app}
	if e := s.known.find(a); e != nil {
		return e.exec, nil
	}
	k := s.key(image, app)
	if s.over.Load() {
		return f.cache.find(k)
	}
	e, err := f.cache.ready(k, func() (executor.Executor, error) { return f.load(context.Background(), s, k) })
	if err != nil {
		return nil, err
	}
	s.known.add(a, e)
	return e.exec, nil
}

// load opens an image: in this process or in worker processes, as its pool says.
func (f *Front) load(ctx context.Context, s *setup, k key) (executor.Executor, error) {
	p := s.cfg.Pools[k.group.pool]
	switch {
	case p == nil:
		return nil, fmt.Errorf("pool %q of image %q is not defined", k.group.pool, k.image)
	case p.Mode == config.ModeIsolated:
		return f.isolate(ctx, s, k)
	case p.OnFault == config.FaultIsolate:
		return f.openSwitching(s, k, p)
	}
	return f.openInside(k, p, f.optionsInside(s, k, p))
}

// openInside opens an image in this process.
func (f *Front) openInside(k key, p *config.Pool, o executor.Options) (executor.Executor, error) {
	return f.openImage(k, "this process: "+k.image, func(v executor.Version) (executor.Replaceable, error) {
		o.Version = v
		e, err := inprocess.Open(k.image, o, inprocess.Limits{Load: p.StartupLimit, End: p.ShutdownLimit})
		if err != nil {
			return nil, isolateInstead(k.image, err)
		}
		return e, nil
	})
}

// isolateInstead adds to an error of loading what would help with an image for another kind of process.
func isolateInstead(path string, err error) error {
	info, failed := image.Inspect(path)
	if failed != nil || kindOf(info) == native {
		return err
	}
	return fmt.Errorf(`%w; a pool with "mode: isolated" has workers for it, and "isapid run" without --in-process`, err)
}

// platformOf is what decides which workers images of a pool may have.
func platformOf(p *config.Pool) config.Platform {
	if p == nil || !hasWorkers(p) {
		return ""
	}
	return p.Platform
}

// isolate opens an image in the workers of its group.
func (f *Front) isolate(ctx context.Context, s *setup, k key) (executor.Executor, error) {
	turn := fmt.Sprintf("pool %s, %d", k.group.name, k.group.epoch)
	return f.openImage(k, turn, func(v executor.Version) (executor.Replaceable, error) { return f.house(ctx, s, k, v) })
}

// group is what shares worker processes: a pool of the configuration, or the part of it that is one application's or one image's.
type group struct {
	pool  string // as the configuration names it
	name  string // the same, and what sets the group apart from others of the pool: "legacy@shop/orders"
	epoch int    // of workers with the same name the later ones have the higher number
}

// groupOf finds the group that image belongs to when app runs it. A pool with one application only has one name.
func groupOf(cfg *config.Config, image string, app *executor.App) group {
	g := group{pool: app.Pool, name: app.Pool}
	p := cfg.Pools[app.Pool]
	if p == nil || !hasWorkers(p) {
		return g
	}
	by := p.Isolation
	if by == config.PerExtension && hasFilters(cfg, app) {
		by = config.PerApplication // a request is in one process with all its filters
	}
	switch by {
	case config.PerApplication:
		if applications(cfg, app.Pool) > 1 {
			g.name += "@" + app.SiteName + strings.TrimSuffix(app.Path, "/")
		}
	case config.PerExtension:
		g.name += "@" + filepath.Base(image)
		if app.Path != "/" {
			g.name += "@" + app.SiteName + app.Path
		}
	case config.PerPool:
	}
	return g
}

// hasFilters says whether requests to an application go through filters.
func hasFilters(cfg *config.Config, app *executor.App) bool {
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		if s.Name != app.SiteName {
			continue
		}
		for j := range s.Applications {
			if a := &s.Applications[j]; a.Path == app.Path {
				return len(site.FiltersOf(cfg, s, a)) > 0
			}
		}
	}
	return false
}

// hasWorkers says whether a pool has worker processes, at least after a fault.
func hasWorkers(p *config.Pool) bool {
	return p.Mode == config.ModeIsolated || p.OnFault == config.FaultIsolate
}

func applications(cfg *config.Config, name string) (n int) {
	for i := range cfg.Sites {
		for _, a := range cfg.Sites[i].Applications {
			if a.Pool == name {
				n++
			}
		}
	}
	return n
}
