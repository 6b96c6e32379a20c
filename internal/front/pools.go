package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
)

// group is what shares worker processes: a pool of the configuration, or the part of it that is one application's or one image's.
type group struct {
	pool string // as the configuration names it
	name string // the same, and what sets the group apart from others of the pool: "legacy@shop/orders"
}

// groupOf finds the group that image belongs to when app runs it. A pool with one application only has one name.
func groupOf(cfg *config.Config, image string, app *executor.App) group {
	g := group{app.Pool, app.Pool}
	p := cfg.Pools[app.Pool]
	if p == nil || p.Mode != config.ModeIsolated && p.OnFault != config.FaultIsolate {
		return g
	}
	switch p.Isolation {
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

// pools are the running pools of worker processes, by the name of their group.
type pools struct {
	log *slog.Logger
	cfg *config.Config

	mu     sync.Mutex // guards all below
	byName map[string]*pool.Pool
	of     map[string]string // the configuration's name of each
	closed bool
}

func newPools(cfg *config.Config, log *slog.Logger) *pools {
	return &pools{cfg: cfg, log: log, byName: map[string]*pool.Pool{}, of: map[string]string{}}
}

// get finds the pool of a group or makes it.
func (ps *pools) get(g group, p *config.Pool) (*pool.Pool, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return nil, executor.ErrClosed
	}
	if found := ps.byName[g.name]; found != nil {
		return found, nil
	}
	made := pool.New(poolSettings(ps.cfg, p, g.name, ps.log))
	ps.byName[g.name], ps.of[g.name] = made, g.pool
	return made, nil
}

// named are the pools an operator means by a name: one group, or all groups of a pool.
func (ps *pools) named(name string) []*pool.Pool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if one := ps.byName[name]; one != nil {
		return []*pool.Pool{one}
	}
	var list []*pool.Pool
	for _, group := range slices.Sorted(maps.Keys(ps.byName)) {
		if ps.of[group] == name {
			list = append(list, ps.byName[group])
		}
	}
	return list
}

// status is that of all, by name.
func (ps *pools) status() []pool.Status {
	ps.mu.Lock()
	names := slices.Sorted(maps.Keys(ps.byName))
	list := make([]*pool.Pool, len(names))
	for i, name := range names {
		list[i] = ps.byName[name]
	}
	ps.mu.Unlock()
	out := make([]pool.Status, len(list))
	for i, p := range list {
		out[i] = p.Status()
	}
	return out
}

// faults is how many were contained in workers.
func (ps *pools) faults() (n int64) {
	for _, s := range ps.status() {
		n += int64(s.Totals.Faults)
	}
	return n
}

// close ends all pools at a time.
func (ps *pools) close(ctx context.Context) error {
	ps.mu.Lock()
	ps.closed = true
	list := slices.Collect(maps.Values(ps.byName))
	ps.mu.Unlock()
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, p := range list {
		all.Go(func() { errs[i] = p.Close(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// poolSettings says in the pool's words what the configuration says. In the configuration 0 means "none" where the settings have
// a default for it.
func poolSettings(cfg *config.Config, p *config.Pool, name string, log *slog.Logger) pool.Settings {
	o := optionsFor(p, name, log)
	o.OnFault = executor.FaultKeep // the pool replaces the worker
	s := pool.Settings{
		Name: name, Workers: p.Workers, Executor: o, Worker: workerSettings(cfg, p, name, log),
		OnDemand: p.OnDemand, Startup: p.StartupLimit, Shutdown: p.ShutdownLimit,
		Ping: p.Health.Ping, PingTimeout: p.Health.Timeout,
		RequestTimeout: p.RequestTimeout, Idempotent: p.Idempotent,
		Recycle: pool.Recycle{
			Requests: int64(p.Recycle.Requests), After: p.Recycle.After, Memory: p.Recycle.Memory, PrivateMemory: p.Recycle.PrivateMemory,
			Slope: p.Recycle.MemoryGrowth, NoOverlap: !p.Recycle.Overlap,
		},
		Crashes: pool.Crashes{Max: p.Crashes.Max, Window: p.Crashes.Window},
		Orphan:  pool.Orphan{Enabled: p.Orphan.Enabled, Action: p.Orphan.Action, Max: p.Orphan.Max},
		Log:     log,
	}
	if p.OnDemand {
		s.Idle = p.IdleTimeout
	}
	if p.Crashes.Max == 0 {
		s.Crashes.Max = -1
	}
	for _, t := range p.Recycle.At {
		s.Recycle.At = append(s.Recycle.At, time.Duration(t.Hour)*time.Hour+time.Duration(t.Minute)*time.Minute+time.Duration(t.Second)*time.Second)
	}
	return s
}

func workerSettings(cfg *config.Config, p *config.Pool, name string, log *slog.Logger) remote.Settings {
	s := remote.Settings{NoNewPrivileges: p.NoNewPrivileges, Sandbox: sandboxOf(cfg, p), Log: log.With("pool", name)}
	s.Spec = proc.Spec{
		Env: os.Environ(), Dir: p.Directory, User: p.User, Group: p.Group, Nice: p.Nice,
		Limits: proc.Limits{
			Files: p.RLimits.Files, Processes: p.RLimits.Processes, AddressSpace: p.RLimits.AddressSpace, CPUSeconds: p.RLimits.CPU,
			Core: p.RLimits.Core, FileSize: p.RLimits.FileSize,
		},
		Cgroup: proc.Cgroup{MemoryMax: uint64(p.MemoryLimit), CPUMax: p.CPULimit},
	}
	if p.MemoryLimit > 0 || p.CPULimit > 0 {
		s.Spec.Cgroup.Name = name
	}
	for _, key := range slices.Sorted(maps.Keys(p.Environment)) {
		s.Spec.Env = append(s.Spec.Env, key+"="+p.Environment[key])
	}
	return s
}

// load opens image for a group: in this process or in worker processes, as its pool says.
func (f *Front) load(image string, g group) (executor.Executor, error) {
	p := f.cfg.Pools[g.pool]
	switch {
	case p == nil:
		return nil, fmt.Errorf("pool %q of image %q is not defined", g.pool, image)
	case p.Mode == config.ModeIsolated:
		return f.isolate(image, g, p)
	case p.OnFault == config.FaultIsolate:
		return f.openSwitching(image, g, p)
	}
	e, err := extension.Open(image, optionsFor(p, g.name, f.log))
	if err != nil {
		return nil, err
	}
	return e, nil
}

// isolate opens image in the workers of its group.
func (f *Front) isolate(image string, g group, p *config.Pool) (executor.Executor, error) {
	workers, err := f.pools.get(g, p)
	if err != nil {
		return nil, err
	}
	return workers.Open(context.Background(), image)
}
