package front

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/accesslog"
	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/server"
)

// Part is something of the process that the configuration decides about, but not the front. It does what can fail and
// returns what is left to do: either commit or discard is called, once.
type Part func(cfg *config.Config) (commit, discard func(), err error)

// Reload puts another configuration in force, which must come from [config.Load] or be as complete, and says what differs. After
// an error everything is as it was: addresses, certificates, images that handlers name, files and parts are had before anything
// changes. They are not had in time if ctx ends before.
//
// No connection is cut where an address stays. A request that runs ends as it began. Extensions whose image, pool and settings stay
// are not touched; those nobody can ask for any more are closed when the requests that began before have ended, at the latest
// after the longest shutdown limit of the old pools. One Reload runs at a time, others wait. It fails with [admin.ErrEnding] once
// Drain began.
func (f *Front) Reload(ctx context.Context, cfg *config.Config, parts ...Part) ([]admin.Change, error) {
	release, err := f.claim(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.ending, func() { cancel(admin.ErrEnding) })()

	r, err := f.prepare(ctx, cfg, parts)
	if err == nil {
		err = r.commit()
	}
	if err != nil {
		r.discard()
		f.sweep(f.setup.Load().patience()) // what was loaded for it
		return nil, err
	}
	f.former = append(f.former, r.old)
	f.cleaning.Go(func() { f.retire(r.old, r.ended) })
	return r.changes(), nil
}

// claim waits until no other Reload runs. The caller must call release.
func (f *Front) claim(ctx context.Context) (release func(), err error) {
	if !f.join() {
		return nil, admin.ErrEnding
	}
	select {
	case f.reloading <- struct{}{}:
		return func() { <-f.reloading; f.cleaning.Done() }, nil
	case <-ctx.Done():
		err = fmt.Errorf("another reload has not ended: %w", context.Cause(ctx))
	case <-f.ending.Done():
		err = admin.ErrEnding
	}
	f.cleaning.Done()
	return nil, err
}

// join has Drain wait for the caller, who must call f.cleaning.Done. It answers false once Drain has begun.
func (f *Front) join() bool {
	f.inForce.Lock()
	defer f.inForce.Unlock()
	if f.ending.Err() != nil {
		return false
	}
	f.cleaning.Add(1)
	return true
}

// reload is one change from a configuration to another.
type reload struct {
	front     *Front
	old, next *setup
	update    *server.Update
	access    *accesslog.Log // nil: no access log
	commits   []func()
	discards  []func()

	ended      <-chan struct{} // closed when no request of old runs any more
	replaced   map[string]bool // pools of the configuration that get other workers
	configured map[string]bool // pools that got other settings; true: their workers are replaced
	renewed    []string        // sites with another certificate
}

// prepare does what can fail. After an error the caller must discard what there is.
func (f *Front) prepare(ctx context.Context, cfg *config.Config, parts []Part) (r *reload, err error) {
	r = &reload{front: f, old: f.setup.Load(), replaced: map[string]bool{}}
	epochs := maps.Clone(r.old.epochs)
	if epochs == nil {
		epochs = map[string]int{}
	}
	if r.next, err = f.newSetup(cfg, epochs); err != nil {
		return r, err
	}
	if r.update, err = f.server.Prepare(f.listed(r.next), limits(cfg.Limits)); err != nil {
		return r, err
	}
	if r.access, err = f.openAccessLog(cfg); err != nil {
		return r, err
	}
	for _, p := range parts {
		commit, discard, err := p(cfg)
		if err != nil {
			return r, err
		}
		r.commits, r.discards = append(r.commits, commit), append(r.discards, discard)
	}
	r.replace()
	errs := append(f.loadFixed(ctx, r.next), f.checkRaw(r.next)...)
	if len(errs) == 0 {
		errs = f.checkKinds(r.next)
	}
	if len(errs) > 0 {
		return r, errors.Join(errs...)
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	return r, nil
}

// replace finds the pools that must have other workers before the switch, and numbers those. Most pools can be given other
// settings while they run; but a worker cannot leave its sandbox, an image that is new may need the settings that are, and one
// that goes those that go.
func (r *reload) replace() {
	f := r.front
	others := map[group]bool{} // have other images
	for _, k := range r.next.fixed() {
		if !f.cache.has(k) {
			others[k.group] = true
		}
	}
	for _, k := range f.cache.keys() {
		if !r.next.wants(k) {
			others[k.group] = true
		}
	}
	f.pools.each(func(g crew, w *workers) {
		p := r.next.cfg.Pools[g.pool]
		if p == nil || !hasWorkers(p) || r.next.epochs[g.name] != g.epoch {
			return
		}
		set, differs := f.pools.differs(w, g, r.next.cfg)
		asFilters := slices.Equal(set.Filters, w.settings.Filters) // an image is asked for its filter half when it is loaded
		if differs && (others[g.group] || !asFilters || !reflect.DeepEqual(set.Worker.Sandbox, w.settings.Worker.Sandbox)) {
			f.epoch++
			r.next.epochs[g.name] = f.epoch
			r.replaced[g.pool] = true
		}
	})
}

// discard undoes a prepare.
func (r *reload) discard() {
	if r.update != nil {
		r.update.Discard()
	}
	if r.access != nil {
		_ = r.access.Close() // nothing was written
	}
	for _, d := range r.discards {
		d()
	}
}

// commit is the switch. After an error nothing has changed.
func (r *reload) commit() (err error) {
	f := r.front
	f.inForce.Lock()
	defer f.inForce.Unlock()
	r.renewed = r.update.Renewed()
	if r.ended, err = r.update.Commit(); err != nil {
		r.update = nil
		return admin.ErrEnding
	}
	r.old.old.Store(true)
	f.setup.Store(r.next)
	r.configured = f.pools.configure(r.next)
	f.openCrashes(r.next.cfg)
	f.openTracing(r.next.cfg)
	if err := f.access.replace(r.access); err != nil {
		f.log.Warn("access log did not close cleanly", "error", err)
	}
	for _, c := range r.commits {
		c()
	}
	f.pools.relevel()
	return nil
}

// retire waits until no request of an old setup runs, or for as long as may be, and closes what only that has needed.
func (f *Front) retire(old *setup, ended <-chan struct{}) {
	limit := time.NewTimer(old.patience())
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
	case <-f.ending.Done(): // Drain closes everything
		return
	}
	select {
	case f.reloading <- struct{}{}:
	case <-f.ending.Done():
		return
	}
	old.over.Store(true)
	f.former = slices.DeleteFunc(f.former, func(s *setup) bool { return s == old })
	f.sweep(old.patience())
	<-f.reloading
}

// sweep closes in the background, for at most limit, what no setup can ask for any more.
func (f *Front) sweep(limit time.Duration) {
	alive := append([]*setup{f.setup.Load()}, f.former...)
	entries := f.cache.remove(func(k key) bool {
		return !slices.ContainsFunc(alive, func(s *setup) bool { return s.wants(k) })
	})
	needed := f.cache.groups()
	closing := f.pools.remove(func(g group) bool { return !needed[g] })
	if len(entries)+len(closing) == 0 {
		return
	}
	f.cleaning.Go(func() {
		ctx, cancel := context.WithTimeoutCause(f.hurry, limit, fmt.Errorf("it did not end within %v", limit))
		defer cancel()
		errs := make(chan error)
		var all sync.WaitGroup
		for k, e := range entries {
			all.Go(func() { errs <- f.cache.end(ctx, k, e) })
		}
		go func() {
			all.Wait()
			for _, p := range closing {
				all.Go(func() { errs <- f.pools.end(ctx, p) })
			}
			all.Wait()
			close(errs)
		}()
		for err := range errs {
			if err != nil {
				f.log.Warn("extension that is not configured any more did not end by itself", "error", err)
			}
		}
	})
}
