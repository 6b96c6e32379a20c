// Package site is the URL space of one site. It decides what a request path means (which application, which handler, which
// file), refuses the paths that mean nothing good, serves static files, makes error pages, and hands everything
// else to an executor, together with a [executor.Target] that says where the request landed.
//
// A [Site] knows no processes, no listeners and no connections. It keeps no file open between requests, so a folder that
// is replaced, also through a symbolic link, is seen by the next request.
//
// # What a path means
//
// The path is decoded once and checked as a whole (see refusal): after that no segment can leave its directory or name
// something the file system treats as special. The application with the longest matching path answers. Its handlers are
// asked in order and the first that matches wins; when none does, the path is a static file or folder.
//
//   - "*.dll" with isapi: the first segment with that extension that is a file below the site's directories is the image.
//     SCRIPT_NAME is the path up to it, PATH_INFO what follows.
//   - "*.asp" with an extension, a script map: the first segment with that extension that is not a folder is the
//     script. SCRIPT_NAME is the path up to it; PATH_INFO is the whole path, or with path_info what follows.
//   - "/orders/*", below the application, and "*": SCRIPT_NAME is the path of the handler or the application ("" for
//     "*" in the application "/"), PATH_INFO what follows, so that both together are always the path of the request.
package site

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/passwd"
)

// Opener finds the executor that runs image for app, loading the image if need be. It is called for every request, from
// many goroutines; the executor stays its property. An error becomes a 500 for the client and, at most once a minute for
// each image, a line in the log.
type Opener func(image string, app *executor.App) (executor.Executor, error)

// Site is an [http.Handler]. Requests are bounded by the site's url, query, body and concurrent limits; the other
// limits belong to whoever owns the connection.
type Site struct {
	conf    *config.Site
	apps    []*application // longest path first; the last is "/"
	mounts  []mount        // longest URL first; the last is the root
	private []private
	written []written
	open    Opener
	chains  Chains
	logger  *slog.Logger
	failed  failures
	spelled spellings
	running atomic.Int64

	filtered bool // an application has filters
}

// New makes the site s of the configuration c. Both must come from [config.Load] or be as complete, and must not change any
// more. chains may be nil when no application of the site has filters. A nil logger is slog.Default().
func New(c *config.Config, s *config.Site, open Opener, chains Chains, logger *slog.Logger) (*Site, error) {
	if open == nil {
		return nil, errors.New("site needs a way to open images")
	}
	if logger == nil {
		logger = slog.Default()
	}
	site := &Site{conf: s, open: open, chains: chains, logger: logger.With("site", s.Name), mounts: mountsOf(s), private: privateFiles(c, s), written: privateFolders(c), spelled: spellingsOf(s)}
	files := map[string]*passwd.File{}
	for i := range s.Applications {
		a := &s.Applications[i]
		if c.Pools[a.Pool] == nil {
			return nil, fmt.Errorf("application %q of site %q: pool %q is not defined", a.Path, s.Name, a.Pool)
		}
		app, err := site.newApplication(a)
		if err != nil {
			return nil, fmt.Errorf("application %q of site %q: %w", a.Path, s.Name, err)
		}
		if app.auth, err = site.newAuth(&a.Authentication, files); err != nil {
			return nil, fmt.Errorf("application %q of site %q: %w", a.Path, s.Name, err)
		}
		app.filters = FiltersOf(c, s, a)
		site.filtered = site.filtered || len(app.filters) > 0
		site.apps = append(site.apps, app)
	}
	if site.filtered && chains == nil {
		return nil, fmt.Errorf("site %q has filters, but there is no way to them", s.Name)
	}
	slices.SortStableFunc(site.apps, func(a, b *application) int { return len(b.Path) - len(a.Path) })
	if n := len(site.apps); n == 0 || site.apps[n-1].Path != "/" {
		return nil, fmt.Errorf("site %q has no application %q", s.Name, "/")
	}
	return site, nil
}

// Name is the name of the site in the configuration.
func (s *Site) Name() string { return s.conf.Name }

// ServeHTTP answers r. It panics with [http.ErrAbortHandler] when an executor could not complete a response.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	record := recordOf(r)
	h := &host{site: s, record: record, trail: trailOf(record)}
	s.note(record)
	n := s.running.Add(1)
	defer s.running.Add(-1)
	if s.conf.Limits.Concurrent > 0 && n > int64(s.conf.Limits.Concurrent) {
		h.Error(w, r, http.StatusServiceUnavailable, 2)
		return
	}
	if limit := s.conf.Limits.Body; limit > 0 {
		if r.ContentLength > limit {
			w.Header().Set("Connection", "close") // rather than read what nobody wants
			h.Error(w, r, http.StatusRequestEntityTooLarge, 1)
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			inner := *r // net/http looks at its own request's body afterwards: what is left of it must not be the next request
			inner.Body = http.MaxBytesReader(w, r.Body, limit)
			r = &inner
		}
	}
	if s.filtered {
		h.begin(w, r)
		return
	}
	h.serve(w, r)
}

// application finds the one with the longest path that path is in.
func (s *Site) application(path string) *application {
	for _, a := range s.apps {
		if below(path, a.prefix) {
			return a
		}
	}
	return s.apps[len(s.apps)-1]
}

// below says whether path is prefix or lies below it. The prefix of everything is "". Where files are found whatever the case of their
// names, so are applications: else who asks for /ADMIN would get the files of /admin without its rules.
func below(path, prefix string) bool {
	return len(path) >= len(prefix) && sameName(path[:len(prefix)], prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}
