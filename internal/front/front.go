// Package front is the front process: it makes sites, executors and listeners from a configuration and takes them through their life.
//
// A [Front] goes New, Start, Serve, Drain. New checks, Start loads the extensions that the configuration names and takes
// the addresses, Serve answers until its context ends, Drain waits for what runs and closes the extensions. Meanwhile Reload puts
// another configuration in force. Signals are not its business: whoever owns the process decides when Serve ends and how long
// Drain may take. A [Control] is what the commands to a running server reach.
package front

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/hub"
	"github.com/isapid/isapid/internal/metrics"
	"github.com/isapid/isapid/internal/obituary"
	"github.com/isapid/isapid/internal/server"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

// Front is a server with its extensions. Make it with [New].
type Front struct {
	root     *slog.Logger
	log      *slog.Logger // of the server as a whole
	watch    watch
	access   logging
	tracing  tracing
	metrics  *metrics.Metrics
	findings *findings
	hub      *hub.Hub
	tap      trace.Tap // of the images in this process
	crashes  atomic.Pointer[crashes]
	swapped  func(swap.Receipt)     // of OnSwap; nil: nobody
	buried   func(*obituary.Report) // of OnObituary; nil: nobody
	started  time.Time
	cache    *cache
	wine     *wines
	pools    *pools
	images   *swap.Images
	server   *server.Server
	setup    atomic.Pointer[setup] // the one in force
	raw      sync.Map              // flags of filters in this process that have asked for raw data, in any version; by key

	reloading chan struct{}   // has an element while a configuration is being changed or cleaned up after
	former    []*setup        // that are not over; changed only while reloading
	epoch     int             // the highest there was; likewise
	inForce   sync.Mutex      // held while setup and server change, which belong together, and where ending is set
	ending    context.Context // ends when Drain begins
	end       context.CancelFunc
	hurry     context.Context // ends when Drain may not wait any more
	hurryUp   context.CancelCauseFunc
	cleaning  sync.WaitGroup // reloads, and goroutines that close what is not needed any more
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
	f = &Front{
		root: log, log: of(log, "server"), images: swap.New(of(log, "swap"), 0), cache: newCache(), reloading: make(chan struct{}, 1),
		metrics: metrics.New(cfg.Metrics.Histogram), findings: newFindings(of(log, "extension")), hub: hub.New(executor.Software), started: time.Now(),
	}
	f.pools, f.wine = newPools(f), newWines(of(log, "wine"), cfg.Wine)
	f.images.OnSwap(f.tellSwap)
	f.ending, f.end = context.WithCancel(context.Background())
	f.hurry, f.hurryUp = context.WithCancelCause(context.Background())
	s, err := f.newSetup(cfg, nil)
	if err != nil {
		return nil, err
	}
	if f.server, err = server.New(f.listed(s), limits(cfg.Limits), of(log, "http")); err != nil {
		return nil, err
	}
	f.server.OnAccept(f.accepted)
	f.watch.begin()
	f.watch.add(&f.tracing)
	f.watch.add(counting{f.metrics})
	f.watch.add(&f.access)
	f.server.Observe(&f.watch)
	f.hub.Add(&thisProcess{f})
	f.setup.Store(s)
	return f, nil
}

// Inherit gives the front sockets that listen already; see [server.Server.Inherit]. It must be called before Start.
func (f *Front) Inherit(sockets []*net.TCPListener) { f.server.Inherit(sockets) }

// OnSwap has f called with the receipt of every swap when it is committed, rejected or taken back. It must be called before Start.
func (f *Front) OnSwap(told func(swap.Receipt)) { f.swapped = told }

func (f *Front) tellSwap(r swap.Receipt) {
	f.metrics.Swapped(&r)
	f.amend(&r)
	if f.swapped != nil {
		f.swapped(r)
	}
}

// OnObituary has f called with what is known of each death of a worker and each fault in this process. It must not block, and be called
// before Start.
func (f *Front) OnObituary(told func(*obituary.Report)) { f.buried = told }

// logger is that of a subsystem.
func (f *Front) logger(subsystem string) *slog.Logger { return of(f.root, subsystem) }

// of has the lines of a logger be those of a subsystem.
func of(log *slog.Logger, subsystem string) *slog.Logger { return log.With("subsystem", subsystem) }

// Start begins the access log, loads every image that a handler names and takes all addresses. Its error joins all that is
// wrong: a [*LoadError] for each image and a [*ListenError]. After an error nothing is left to drain.
func (f *Front) Start() error {
	s := f.setup.Load()
	f.openCrashes(s.cfg)
	f.openTracing(s.cfg)
	errs := f.loadFixed(context.Background(), s)
	if len(errs) == 0 {
		errs = f.checkKinds(s)
	}
	if log, err := f.openAccessLog(s.cfg); err != nil {
		errs = append(errs, err)
	} else {
		_ = f.access.replace(log) // there was none to close
	}
	if err := f.server.Listen(); err != nil {
		errs = append(errs, &ListenError{err})
	}
	if len(errs) == 0 {
		for _, addr := range f.server.Unused() {
			f.log.Warn("inherited socket is not used: no binding has its address", "address", addr)
		}
		return nil
	}
	return errors.Join(append(errs, f.Drain(context.Background()))...)
}

// loadFixed loads the images that do not depend on a request.
func (f *Front) loadFixed(ctx context.Context, s *setup) (errs []error) {
	for _, k := range s.fixed() {
		f.cache.has(k) // a failure from before says nothing about now
		if _, err := f.cache.get(k, func() (executor.Executor, error) { return f.load(ctx, s, k) }); err != nil {
			errs = append(errs, &LoadError{k.image, k.group.name, err})
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
	f.inForce.Lock()
	f.end()
	f.inForce.Unlock()
	defer context.AfterFunc(ctx, func() { f.hurryUp(context.Cause(ctx)) })()
	var swaps sync.WaitGroup
	swaps.Go(f.images.Close)
	err := f.server.Shutdown(ctx)
	swaps.Wait()
	err = errors.Join(err, f.cache.close(ctx), f.pools.close(ctx))
	f.cleaning.Wait()
	f.hurryUp(nil)
	f.wine.close()
	f.closeCrashes()
	f.closeTracing()
	return errors.Join(err, f.access.replace(nil))
}
