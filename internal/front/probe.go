package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/site"
)

// probe sends the verification request of a pool to a version that nothing is routed to yet: through the URL space of every application
// that k runs for, where only k is another. It says how many it sent.
func (f *Front) probe(ctx context.Context, k key, r executor.Replacement) (sent int, err error) {
	s := f.setup.Load()
	p := s.cfg.Pools[k.group.pool]
	if p == nil || p.Update.Verify == nil {
		return 0, nil
	}
	for i := range s.cfg.Sites {
		c := &s.cfg.Sites[i]
		for _, a := range c.Applications {
			app := &executor.App{SiteName: c.Name, Path: a.Path, Pool: a.Pool}
			if a.Pool != k.group.pool || s.key(k.image, app) != k || !s.leadsTo(s.sites[i], app, &a, k.image) {
				continue
			}
			sent++
			if err := f.probeIn(ctx, s, c, strings.TrimSuffix(a.Path, "/"), p.Update.Verify, k, r); err != nil {
				return sent, err
			}
		}
	}
	return sent, nil
}

// probeIn sends the request to one application.
func (f *Front) probeIn(ctx context.Context, s *setup, c *config.Site, below string, v *config.Verify, k key, candidate executor.Replacement) error {
	ctx, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	var reached atomic.Bool
	open := func(image string, app *executor.App) (executor.Executor, error) {
		if s.key(image, app) != k {
			return f.open(s, image, app)
		}
		return trying{candidate, &reached, f.kindOfCandidate(k, candidate)}, nil
	}
	chains := func(app *executor.App, filters []executor.FilterRef) (executor.Chain, error) {
		return f.chain(s, open, app, filters)
	}
	quiet := slog.New(slog.DiscardHandler) // what is wrong is told by the error
	url, err := site.New(s.cfg, openToAll(c), open, chains, quiet)
	if err != nil {
		return err
	}
	what := "GET " + below + v.Path
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+hostOf(c)+below+v.Path, http.NoBody)
	if err != nil {
		return fmt.Errorf("the probe %s cannot be sent: %w", what, err)
	}
	r.RequestURI, r.RemoteAddr = below+v.Path, "127.0.0.1:0"
	r.Header.Set("User-Agent", executor.Software+" (probe of a new version)")
	w := &swallow{header: http.Header{}}
	ended := make(chan bool, 1)
	go func() { // ends with its request, which the version knows of
		defer func() { ended <- recover() == nil }()
		url.ServeHTTP(w, r)
	}()
	select {
	case whole := <-ended:
		switch {
		case !whole:
			return fmt.Errorf("the probe %s was not answered to its end", what)
		case !reached.Load():
			return fmt.Errorf("the probe %s does not reach the image: it was answered %d by something else; verify.path is the path below the application", what, w.status)
		case w.status != v.Status:
			return fmt.Errorf("the probe %s was answered %d, not %d", what, w.status, v.Status)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the probe %s was not answered within %v", what, v.Timeout)
	}
}

// openToAll is a site that asks nobody who he is: a probe has no password.
func openToAll(c *config.Site) *config.Site {
	all := *c
	all.Applications = slices.Clone(c.Applications)
	for i := range all.Applications {
		all.Applications[i].Authentication = config.Authentication{}
	}
	return &all
}

// hostOf is a host that leads to the site.
func hostOf(c *config.Site) string {
	for _, b := range c.Bindings {
		if b.Host != "" && !strings.HasPrefix(b.Host, "*") {
			return net.JoinHostPort(b.Host, fmt.Sprint(b.Port))
		}
	}
	return "localhost"
}

// trying runs requests in a version that is not routed to.
type trying struct {
	candidate executor.Replacement
	reached   *atomic.Bool // it has got a request
	kind      kind         // of its workers
}

// kindOfCandidate is the kind of the workers that have a version which is tried.
func (f *Front) kindOfCandidate(k key, candidate executor.Replacement) kind {
	if m, other := candidate.(*move); other {
		return m.next.kind
	}
	if e, err := f.cache.find(k); err == nil {
		return kindIn(e)
	}
	return native
}

func (t trying) Execute(w http.ResponseWriter, r *http.Request, to *executor.Target) executor.Result {
	t.reached.Store(true)
	return t.candidate.Execute(w, r, to)
}

// Filter is for requests that go through it as through a filter in this process.
func (t trying) Filter(p *inprocess.Passage) (*filter.Filter, error) {
	by, ok := t.candidate.(filtering)
	if !ok {
		return nil, errors.New("it is not a filter in this process")
	}
	t.reached.Store(true)
	return by.Filter(p)
}

func (trying) Description() string { return "" }

func (trying) Close(context.Context) error { return nil }

// swallow is a client that only looks at the status.
type swallow struct {
	header http.Header
	status int
}

func (s *swallow) Header() http.Header { return s.header }

func (s *swallow) WriteHeader(status int) {
	if s.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		s.status = status
	}
}

func (s *swallow) Write(p []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return len(p), nil
}

// Flush implements [http.Flusher].
func (s *swallow) Flush() { s.WriteHeader(http.StatusOK) }
