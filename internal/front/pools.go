package front

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/metrics"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
)

// pools are the running pools of worker processes.
type pools struct {
	front *Front
	log   *slog.Logger

	mu      sync.Mutex // guards all below
	byCrew  map[crew]*workers
	houses  map[houseOf]*housed
	stopped map[string]bool // by the title of a crew, the name of its group or that of its pool, in this order: whether the operator has stopped it
	past    int64           // faults of pools that are closed
	closed  bool
}

// workers is a pool and the settings it has now, without what cannot be compared.
type workers struct {
	*pool.Pool
	settings pool.Settings
}

func newPools(f *Front) *pools {
	return &pools{front: f, log: f.logger("pool"), byCrew: map[crew]*workers{}, houses: map[houseOf]*housed{}, stopped: map[string]bool{}}
}

// houseOf is an image in the workers of a group.
type houseOf struct {
	image string
	group group
}

// house finds or makes an image of a group, with one more user.
func (ps *pools) house(k key) *housed {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	of := houseOf{k.image, k.group}
	h := ps.houses[of]
	if h == nil {
		h = &housed{front: ps.front, image: k.image, group: k.group}
		ps.houses[of] = h
	}
	h.users++
	return h
}

// leaveHouse says whether that was the last user. The caller must call forgetHouse then.
func (ps *pools) leaveHouse(h *housed) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	h.users--
	return h.users == 0
}

// forgetHouse forgets an image that was closed, unless somebody waits to open it again.
func (ps *pools) forgetHouse(h *housed) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if of := (houseOf{h.image, h.group}); h.users == 0 && ps.houses[of] == h {
		delete(ps.houses, of)
	}
}

// get finds the pool of a crew or makes it as the configuration says.
func (ps *pools) get(g crew, cfg func() *config.Config) (*pool.Pool, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return nil, executor.ErrClosed
	}
	if found := ps.byCrew[g]; found != nil {
		return found.Pool, nil
	}
	c := cfg()
	p := c.Pools[g.pool]
	if p == nil {
		return nil, executor.ErrClosed // it was removed while this request ran
	}
	set := ps.settings(c, p, g)
	made := &workers{pool.New(set), plain(set)}
	for _, name := range []string{g.title(), g.name, g.pool} {
		if stopped, told := ps.stopped[name]; told {
			if stopped {
				made.Stop()
			}
			break
		}
	}
	ps.byCrew[g] = made
	return made.Pool, nil
}

// settings are those of a crew's pool, with those who look.
func (ps *pools) settings(cfg *config.Config, p *config.Pool, g crew) pool.Settings {
	title := g.title()
	set, f := poolSettings(cfg, p, title, ps.log), ps.front
	set.Worker.Program = f.wine.program(g.kind, p)
	if g.kind.byWine() {
		set.Worker.Program, set.Worker.Environment = withOwn(set.Worker.Program, p.Environment), ownOf(p)
	}
	if runtime.GOOS == "windows" {
		set.Worker.NoNewPrivileges = false // there is no such thing
	}
	set.Before = func(ctx context.Context) error { return f.wine.ready(ctx, g.kind, p) }
	if set.Spares = p.Spare; p.Spare == config.SpareAuto {
		set.Spares = 0
		if g.kind.byWine() {
			set.Spares = 1
		}
	}
	set.Buried = f.bury
	set.Executor.Logger = f.logger("extension").With("pool", title)
	set.Worker.Log = f.logger("worker").With("pool", title)
	set.Worker.Found = func(w *remote.Worker, x *executor.Finding, times int) { f.found(x, times, title, w.Name()) }
	set.Worker.Count = func(_ *remote.Worker, i remote.ImageInfo, name string, labels []string, delta float64) {
		f.metrics.Count(title, i.Path, name, labels, delta)
	}
	set.Worker.Ended = func(w *remote.Worker) {
		if b, ok := w.Board(); ok {
			f.metrics.Calls(metrics.Process{Pool: title, Worker: w.Name(), Pid: w.Pid()}, &b)
		}
	}
	f.hub.Watch(&set.Worker, title)
	return set
}

// plain is what of settings can be compared.
func plain(s pool.Settings) pool.Settings {
	s.Log, s.Executor.Logger, s.Worker.Log = nil, nil, nil
	s.Buried, s.Before = nil, nil
	s.Worker.Started, s.Worker.Ended, s.Worker.Traced, s.Worker.Found, s.Worker.Count = nil, nil, nil, nil, nil
	return s
}

// differs says whether a pool should have other settings, and those.
func (ps *pools) differs(w *workers, g crew, cfg *config.Config) (set pool.Settings, differs bool) {
	set = ps.settings(cfg, cfg.Pools[g.pool], g)
	return set, !reflect.DeepEqual(plain(set), w.settings)
}

// each calls f with every pool, in the order of their names.
func (ps *pools) each(f func(g crew, w *workers)) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, g := range slices.SortedFunc(maps.Keys(ps.byCrew), byName) {
		f(g, ps.byCrew[g])
	}
}

func byName(a, b crew) int {
	return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(string(a.kind), string(b.kind)), a.epoch-b.epoch)
}

// configure gives the pools of s the settings that s has for them. It returns the pools of the configuration for which that made
// a difference, and whether their workers are replaced.
func (ps *pools) configure(s *setup) map[string]bool {
	changed := map[string]bool{}
	ps.each(func(g crew, w *workers) {
		p := s.cfg.Pools[g.pool]
		if p == nil || !hasWorkers(p) || s.epochs[g.name] != g.epoch {
			return
		}
		if set, differs := ps.differs(w, g, s.cfg); differs {
			w.settings = plain(set)
			w.Configure(set, p.Recycle.OnConfigChange)
			changed[g.pool] = p.Recycle.OnConfigChange
		}
	})
	return changed
}

// remove takes away the pools of the groups that nobody wants. The caller must close them.
func (ps *pools) remove(unwanted func(group) bool) (list []*pool.Pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for g, w := range ps.byCrew {
		if unwanted(g.group) {
			delete(ps.byCrew, g)
			list = append(list, w.Pool)
		}
	}
	maps.DeleteFunc(ps.houses, func(of houseOf, _ *housed) bool { return unwanted(of.group) }) // who has one closes it yet
	return list
}

// end closes a pool that was removed.
func (ps *pools) end(ctx context.Context, p *pool.Pool) error {
	err := p.Close(ctx)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.past += int64(p.Status().Totals.Faults)
	return err
}

// named are the pools an operator means by a name: those of a group, all groups of a pool, or the workers of a group for one kind of images.
func (ps *pools) named(name string) (list []*pool.Pool) {
	for _, means := range []func(crew) bool{
		func(g crew) bool { return g.name == name },
		func(g crew) bool { return g.pool == name },
		func(g crew) bool { return g.title() == name },
	} {
		ps.each(func(g crew, w *workers) {
			if means(g) {
				list = append(list, w.Pool)
			}
		})
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

// relevel has workers know from which level on lines are logged, which may have changed.
func (ps *pools) relevel() {
	ps.each(func(_ crew, w *workers) { w.Relevel() })
}

// setStopped remembers what the operator wants of pools that are made later. What he says of a pool holds for all its groups, and what of a group
// for images of all kinds.
func (ps *pools) setStopped(name string, stopped bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for g := range ps.byCrew {
		if g.pool == name {
			delete(ps.stopped, g.name)
		}
		if g.pool == name || g.name == name {
			delete(ps.stopped, g.title())
		}
	}
	ps.stopped[name] = stopped
}

// crewStatus is the status of a pool, with the crew that it is.
type crewStatus struct {
	crew
	pool.Status
}

// status is that of all, by name.
func (ps *pools) status() (list []crewStatus) {
	var all []*pool.Pool
	ps.each(func(g crew, w *workers) {
		list = append(list, crewStatus{crew: g})
		all = append(all, w.Pool)
	})
	for i, p := range all { // without the lock: it looks at processes
		list[i].Status = p.Status()
	}
	return list
}

// faults is how many were contained in workers.
func (ps *pools) faults() (n int64) {
	for _, s := range ps.status() {
		n += int64(s.Totals.Faults)
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return n + ps.past
}

// close ends all pools at a time.
func (ps *pools) close(ctx context.Context) error {
	ps.mu.Lock()
	ps.closed = true
	list := slices.Collect(maps.Values(ps.byCrew))
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
		Name: name, Workers: p.Workers, Executor: o, Worker: workerSettings(cfg, p, name), Filters: filtersOfPool(cfg, p),
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

func workerSettings(cfg *config.Config, p *config.Pool, name string) remote.Settings {
	s := remote.Settings{NoNewPrivileges: p.NoNewPrivileges, Sandbox: sandboxOf(cfg, p)}
	s.Spec = proc.Spec{
		Env: environment(p), Dir: p.Directory, User: p.User, Group: p.Group, Nice: p.Nice,
		Limits: proc.Limits{
			Files: p.RLimits.Files, Processes: p.RLimits.Processes, AddressSpace: p.RLimits.AddressSpace, CPUSeconds: p.RLimits.CPU,
			Core: p.RLimits.Core, FileSize: p.RLimits.FileSize,
		},
		Cgroup: proc.Cgroup{MemoryMax: uint64(p.MemoryLimit), CPUMax: p.CPULimit},
	}
	if p.MemoryLimit > 0 || p.CPULimit > 0 {
		s.Spec.Cgroup.Name = name
	}
	return s
}

// environment is that of the server with what a pool has in place of it or in addition. Of two of one name most programs see the first.
func environment(p *config.Pool) []string {
	return append(without(os.Environ(), p.Environment), ownOf(p)...)
}

// ownOf are the variables of a pool.
func ownOf(p *config.Pool) (list []string) {
	for _, key := range slices.Sorted(maps.Keys(p.Environment)) {
		list = append(list, key+"="+p.Environment[key])
	}
	return list
}

// without is an environment without the variables that a pool has.
func without(environ []string, own map[string]string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(of string) bool {
		name, _, _ := strings.Cut(of, "=")
		_, has := own[name]
		return has
	})
}
