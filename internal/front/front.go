// Package front is the front process: it makes sites, executors and listeners from a configuration and takes them through their life.
//
// A [Front] goes New, Start, Serve, Drain. New checks, Start loads the extensions that the configuration names and takes
// the addresses, Serve answers until its context ends, Drain waits for what runs and closes the extensions. Signals are not
// its business: whoever owns the process decides when Serve ends and how long Drain may take.
package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/server"
	"github.com/isapid/isapid/internal/site"
)

// Front is one running configuration. Make it with [New].
type Front struct {
	cfg      *config.Config
	log      *slog.Logger
	observer observer
	cache    *cache
	pools    *pools
	sites    []*site.Site
	server   *server.Server
	access   *os.File // nil: no access log
}

// LoadError is a fixed image that could not be loaded. [Front.Start] joins one for each.
type LoadError struct {
	Image string
	Pool  string
	Err   error // names the image
}

func (e *LoadError) Error() string { return e.Err.Error() }
func (e *LoadError) Unwrap() error { return e.Err }

// ListenError is an address that cannot be listened on.
type ListenError struct{ Err error }

func (e *ListenError) Error() string { return e.Err.Error() }
func (e *ListenError) Unwrap() error { return e.Err }

// New wires the sites of cfg, which must come from [config.Load] or be as complete. It reads certificates, but
// loads no image, opens no port and writes nothing. A nil log is [slog.Default].
func New(cfg *config.Config, log *slog.Logger) (f *Front, err error) {
	if log == nil {
		log = slog.Default()
	}
	f = &Front{cfg: cfg, log: log}
	f.pools = newPools(cfg, log)
	f.cache = newCache(f.load)
	sites, err := f.makeSites()
	if err != nil {
		return nil, err
	}
	if f.server, err = server.New(sites, limits(cfg.Limits), log); err != nil {
		return nil, err
	}
	return f, nil
}

// makeSites makes the URL space of every site.
func (f *Front) makeSites() ([]server.Site, error) {
	open := func(image string, app *executor.App) (executor.Executor, error) {
		return f.cache.get(image, groupOf(f.cfg, image, app))
	}
	var list []server.Site
	for i := range f.cfg.Sites {
		c := &f.cfg.Sites[i]
		s, err := site.New(f.cfg, c, open, f.log)
		if err != nil {
			return nil, err
		}
		f.sites = append(f.sites, s)
		list = append(list, server.Site{Name: c.Name, Bindings: bindings(c), Handler: f.observer.handler(s)})
	}
	return list, nil
}

// Start begins the access log, loads every image that a handler names and takes all addresses. Its error joins all that is
// wrong: a [*LoadError] for each image and a [*ListenError]. After an error nothing is left to drain.
func (f *Front) Start() error {
	errs := f.loadFixed()
	if err := f.openAccessLog(); err != nil {
		errs = append(errs, err)
	}
	if err := f.server.Listen(); err != nil {
		errs = append(errs, &ListenError{err})
	}
	if len(errs) == 0 {
		return nil
	}
	return errors.Join(append(errs, f.Drain(context.Background()))...)
}

func (f *Front) openAccessLog() (err error) {
	name := f.cfg.Log.AccessFile
	if name == "" {
		return nil
	}
	if f.access, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640); err != nil {
		return fmt.Errorf("open access log: %w", err)
	}
	f.observer.access = slog.New(slog.NewJSONHandler(f.access, nil))
	return nil
}

// loadFixed loads the images that do not depend on a request.
func (f *Front) loadFixed() (errs []error) {
	tried := map[key]bool{}
	for _, s := range f.cfg.Sites {
		for _, a := range s.Applications {
			for _, h := range a.Handlers {
				k := key{h.Extension, groupOf(f.cfg, h.Extension, &executor.App{SiteName: s.Name, Path: a.Path, Pool: a.Pool})}
				if h.Extension == "" || tried[k] {
					continue
				}
				tried[k] = true
				if _, err := f.cache.get(k.image, k.group); err != nil {
					errs = append(errs, &LoadError{k.image, k.group.name, err})
				}
			}
		}
	}
	return errs
}

// Serve answers requests until ctx ends, then it returns nil at once: what it began goes on until [Front.Drain], which must
// follow. An error is that of a listener that failed.
func (f *Front) Serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- f.server.Serve() }()
	select {
	case err := <-served:
		return &ListenError{err}
	case <-ctx.Done():
		return nil
	}
}

// Drain stops listening, waits for the requests that run until ctx ends, cuts the rest, and closes every extension. It
// must be called after a successful Start, once. The error says what did not end by itself.
func (f *Front) Drain(ctx context.Context) error {
	err := errors.Join(f.server.Shutdown(ctx), f.cache.close(ctx), f.pools.close(ctx))
	if f.access != nil {
		err = errors.Join(err, f.access.Close())
	}
	return err
}
