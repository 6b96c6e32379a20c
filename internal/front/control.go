package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/pool"
)

// Control is what can be asked of a front that runs, and told to it: an [admin.Server]. Make it with [NewControl].
type Control struct {
	front   *Front
	log     *slog.Logger
	version string
	drain   func()
	parts   []Part
	metrics func() http.Handler
	reading chan struct{} // has an element while the configuration is read and put in force

	mu   sync.Mutex
	last *admin.LastReload // guarded by mu
}

// NewControl controls f, whose configuration was read from a file. The function drain begins the end of the process, as a signal
// does, and returns; the parts are reloaded with the front.
func NewControl(f *Front, version string, drain func(), parts ...Part) *Control {
	c := &Control{front: f, version: version, drain: drain, parts: parts, log: f.logger("control"), reading: make(chan struct{}, 1)}
	c.metrics = sync.OnceValue(c.newMetrics)
	return c
}

// Status implements [admin.Server].
func (c *Control) Status() admin.Status {
	f := c.front
	now, stats := time.Now(), f.Stats()
	s := admin.Status{
		Version: c.version, Pid: os.Getpid(), State: admin.StateServing, Started: f.started, Uptime: admin.Seconds(now.Sub(f.started)),
		Config: f.setup.Load().cfg.File, URLs: f.URLs(),
		Process: ownProcess(), Misuse: f.findings.all(), Snoops: f.snoops(),
		Requests: admin.Requests{Served: stats.Requests, Running: stats.Running, Broken: stats.Broken, Faults: f.cache.faults()},
	}
	if f.ending.Err() != nil {
		s.State = admin.StateDraining
	}
	c.mu.Lock()
	s.Reload = c.last
	c.mu.Unlock()
	cfg := f.setup.Load().cfg
	for _, p := range f.pools.status() {
		one := admin.Pool{Status: p.Status, Of: p.pool, Platform: p.crew.kind.String()}
		one.Group = p.crew.name
		one.Wine, one.Prefix = f.wine.version(p.crew.kind, cfg.Pools[p.pool])
		s.Pools = append(s.Pools, one)
	}
	s.Images = f.images.States()
	for _, e := range f.cache.loaded() {
		if e.InProcess {
			s.InProcess = append(s.InProcess, admin.Extension{
				Image: e.Image, Pool: e.Pool, Description: e.Description, Filter: e.Filter, Generation: e.generation,
				SHA256: e.version.SHA256, Size: e.version.Size, BuildID: e.version.BuildID, Requests: e.requests, Faults: e.faults,
			})
		}
	}
	return s
}

// Recycle implements [admin.Server].
func (c *Control) Recycle(name, reason string) error {
	return c.each(name, func(*Front) {}, func(p *pool.Pool) { p.Recycle(reason) })
}

// StopPool implements [admin.Server].
func (c *Control) StopPool(name string) error {
	return c.each(name, func(f *Front) { f.pools.setStopped(name, true) }, (*pool.Pool).Stop)
}

// StartPool implements [admin.Server].
func (c *Control) StartPool(name string) error {
	return c.each(name, func(f *Front) { f.pools.setStopped(name, false) }, (*pool.Pool).Start)
}

// each does something to the pools that are meant by a name. What is done first holds for those too that are made meanwhile.
func (c *Control) each(name string, first func(*Front), do func(*pool.Pool)) error {
	f := c.front
	p := f.setup.Load().cfg.Pools[name]
	isolated := p != nil && p.Mode == config.ModeIsolated
	switch {
	case f.ending.Err() != nil:
		return admin.ErrEnding
	case isolated || len(f.pools.named(name)) > 0:
	case p != nil:
		return admin.ErrInProcess
	default:
		return admin.ErrNoPool
	}
	first(f)
	for _, p := range f.pools.named(name) {
		do(p)
	}
	return nil
}

// Reload implements [admin.Server]: it reads the file that the configuration came from again. It may be called by anybody who is
// asked to reload.
func (c *Control) Reload(ctx context.Context) (admin.ReloadResult, error) {
	select {
	case c.reading <- struct{}{}:
		defer func() { <-c.reading }()
	case <-ctx.Done():
		return admin.ReloadResult{}, fmt.Errorf("another reload has not ended: %w", context.Cause(ctx))
	}
	changes, err := c.reload(ctx)
	if errors.Is(err, admin.ErrEnding) {
		return admin.ReloadResult{}, err
	}
	last := &admin.LastReload{At: time.Now()}
	if err != nil {
		last.Error = err.Error()
		c.log.Error("configuration is not reloaded: everything stays as it is", "error", err)
	} else {
		c.log.Info("configuration is reloaded", "changes", told(changes))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = last
	return admin.ReloadResult{Changes: changes}, err
}

func (c *Control) reload(ctx context.Context) ([]admin.Change, error) {
	if c.front.ending.Err() != nil {
		return nil, admin.ErrEnding
	}
	cfg, err := config.Load(c.front.setup.Load().cfg.File)
	if err != nil {
		return nil, err
	}
	return c.front.Reload(ctx, cfg, c.parts...)
}

// Drain implements [admin.Server].
func (c *Control) Drain() error {
	c.drain()
	return nil
}

// Summary says in one line what the front does. Requests are those a second since the last Summary; only one goroutine may call it.
func (c *Control) Summary(last *Stats, since time.Duration) string {
	var pools, workers int
	for _, p := range c.front.pools.status() {
		pools++
		for _, w := range p.Workers {
			if w.Pid != 0 {
				workers++
			}
		}
	}
	now := c.front.Stats()
	rate := float64(now.Requests-last.Requests) / since.Seconds()
	*last = now
	return fmt.Sprintf("%s, %s, %.0f requests/s", counted(pools, "pool"), counted(workers, "worker"), rate)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Alive says whether the front answers: a pool tells its state, and a listener answers, or Drain has begun. The error says what
// is wrong.
func (c *Control) Alive(ctx context.Context) error {
	f := c.front
	told := make(chan struct{})
	go func() {
		f.pools.status()
		close(told)
	}()
	select {
	case <-told:
	case <-ctx.Done():
		return fmt.Errorf("a pool does not tell its state: %w", context.Cause(ctx))
	}
	if f.ending.Err() != nil {
		return nil
	}
	if err := f.server.Alive(ctx); err != nil && f.ending.Err() == nil {
		return err
	}
	return nil
}
