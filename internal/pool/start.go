package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
)

// bringUp starts the process of a worker, has it load its images and answer a ping for each; or that of a spare, which goes on when it is
// taken.
func (p *Pool) bringUp(sl *slot, set *Settings) {
	ctx, cancel := context.WithTimeoutCause(sl.ctx, set.Startup, fmt.Errorf("the worker was not ready within %v", set.Startup))
	defer cancel()
	begun := time.Now()
	w, err := p.process(ctx, sl, set)
	if err != nil {
		p.notStarted(sl, cause(ctx, err))
		return
	}
	load := false
	p.event(func(s *state, now time.Time) {
		sl.process = w
		if load = s.greeted(sl.id, now); !load {
			sl.images = map[string]image{} // whoever retires it has it stopped
		}
	})
	p.wg.Go(func() { p.await(sl, w) })
	if load {
		p.loadFirst(ctx, sl, set, begun)
	}
}

// loadFirst has a process that has greeted load its images and answer a ping for each.
func (p *Pool) loadFirst(ctx context.Context, sl *slot, set *Settings, begun time.Time) {
	p.mu.Lock()
	w, builds := sl.process, sl.builds
	p.mu.Unlock()
	loaded, failures, err := p.loadAll(ctx, sl, w, set, builds)
	if err != nil {
		p.giveUp(sl, w, err)
		return
	}
	p.isReady(sl, w, builds, loaded, failures, time.Since(begun))
}

// process starts one.
func (p *Pool) process(ctx context.Context, sl *slot, set *Settings) (process, error) {
	if set.Before != nil {
		if err := set.Before(ctx); err != nil {
			return nil, err
		}
	}
	return p.start(ctx, p.settings(sl, set))
}

// settings are those a process is started with.
func (p *Pool) settings(sl *slot, set *Settings) remote.Settings {
	rs := set.Worker
	rs.Name, rs.Startup = sl.name, set.Startup
	rs.Notify = func(e remote.Event) { p.notice(sl, e) }
	if rs.Log == nil {
		rs.Log = p.log
	}
	return rs
}

// cause is why a start failed: the end of its context, if that is over.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// loadAll loads the images one after the other and pings them. An error means that the worker is lost, or that its time is
// over.
func (p *Pool) loadAll(ctx context.Context, sl *slot, w process, set *Settings, builds []build) (loaded map[string]image, failures map[string]error, err error) {
	loaded, failures = map[string]image{}, map[string]error{}
	for _, b := range builds {
		i, err := w.Load(ctx, b.path, optionsFor(set, b, sl.gen))
		switch {
		case err == nil:
			loaded[b.path] = p.place(sl, w, b, i)
		case ctx.Err() != nil || dead(w, err):
			return nil, nil, fmt.Errorf("load %q: %w", b.path, cause(ctx, err))
		default:
			failures[b.path] = err
		}
	}
	for path, i := range loaded {
		if err := i.Ping(ctx); err != nil {
			return nil, nil, fmt.Errorf("ping %q: %w", path, cause(ctx, err))
		}
	}
	return loaded, failures, nil
}

// build is an image in one version.
type build struct {
	path    string
	version executor.Version
}

// file is where the bytes are.
func (b build) file() string { return cmp.Or(b.version.File, b.path) }

// builds are what a worker that starts loads. The lock is held.
func (p *Pool) builds(w *worker) (list []build) {
	for _, path := range w.assigned {
		list = append(list, build{path, p.state.version(w.gen, path)})
	}
	return list
}

// optionsFor are those of an image in a worker.
func optionsFor(set *Settings, b build, gen int) executor.Options {
	o := set.Executor
	o.Version, o.Generation = b.version, gen
	if o.Name == "" {
		o.Name = filepath.Base(b.path)
	}
	o.Limit = set.RequestTimeout
	o.Filter = slices.Contains(set.Filters, b.path)
	return o
}

// dead says whether err came because the process died.
func dead(w process, err error) bool {
	var lost *remote.Lost
	var obituary *remote.Obituary
	if errors.As(err, &lost) || errors.As(err, &obituary) {
		return true
	}
	select {
	case <-w.Gone():
		return true
	default:
		return false
	}
}

// notStarted: there is no process.
func (p *Pool) notStarted(sl *slot, err error) {
	wanted, first := true, true // of a row of spares only the first loss is told
	p.event(func(s *state, now time.Time) {
		wanted = sl.ctx.Err() == nil
		if w := s.worker(sl.id); w != nil && w.isSpare() {
			first = s.spareEarly == 0
		}
		s.startFailed(sl.id, err, now, roll())
		s.gone(sl.id, err, now, roll())
		delete(p.slots, sl.id)
	})
	if wanted && first {
		p.log.Error("worker did not start", "worker", sl.name, "error", err)
	}
	sl.end()
}

// giveUp: there is a process, but it will not be ready. If it died, its end is told by await.
func (p *Pool) giveUp(sl *slot, w process, err error) {
	if dead(w, err) {
		w.Kill(err.Error())
		return
	}
	p.event(func(s *state, now time.Time) { s.startFailed(sl.id, err, now, roll()) })
	if sl.ctx.Err() == nil {
		p.log.Error("worker did not start", "worker", sl.name, "error", err)
	}
	w.Kill(err.Error())
}

// isReady lets a worker serve, unless it is not wanted any more.
func (p *Pool) isReady(sl *slot, w process, builds []build, loaded map[string]image, failures map[string]error, took time.Duration) {
	for path, err := range failures {
		p.log.Error("image cannot be loaded in a worker", "worker", sl.name, "image", filepath.Base(path), "error", err)
	}
	wanted, n := false, 0
	p.event(func(s *state, now time.Time) {
		for _, b := range builds { // an image may have been closed meanwhile
			if i := loaded[b.path]; !s.wants(sl.gen, b) && s.current(sl.gen) {
				delete(loaded, b.path)
				delete(failures, b.path)
				p.unload(i)
			}
		}
		sl.images, n = loaded, len(loaded)
		wanted = s.ready(sl.id, slices.Collect(maps.Keys(loaded)), failures, now, roll())
	})
	if !wanted {
		p.drain(sl, false, "it is not wanted any more")
		return
	}
	p.log.Info("worker is ready", "worker", sl.name, "pid", w.Pid(), "generation", sl.gen, "images", n, "took", took.Round(time.Millisecond))
}

// load has a worker that serves load one more image.
func (p *Pool) load(sl *slot, set *Settings, b build) {
	path := b.path
	ctx, cancel := context.WithTimeout(p.ctx, set.Startup)
	defer cancel()
	i, err := sl.process.Load(ctx, path, optionsFor(set, b, sl.gen))
	if err == nil {
		err = i.Ping(ctx)
	}
	if err != nil && dead(sl.process, err) {
		return // its end is the answer
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("load %q: not done after %v: %w", path, set.Startup, ctx.Err())
	}
	if err != nil {
		p.log.Error("image cannot be loaded in a worker", "worker", sl.name, "image", filepath.Base(path), "error", err)
	}
	p.event(func(s *state, now time.Time) {
		switch {
		case !s.wants(sl.gen, b):
			s.notLoading(sl.id)
			if err == nil {
				p.unload(i)
			}
			return
		case err == nil:
			sl.images[path] = p.place(sl, sl.process, b, i)
		}
		s.imageLoaded(sl.id, path, err, now)
	})
}

// drop takes an image from the pool. Its requests have ended. The lock is held.
func (p *Pool) drop(path string) {
	for _, i := range p.forget(path) {
		if len(p.state.images) > 0 { // else the workers end
			p.unload(i)
		}
	}
}

// forget has nothing lead to an image any more, and gives it as workers have loaded it. The lock is held.
func (p *Pool) forget(path string) (loaded []image) {
	p.state.dropImage(path)
	for _, sl := range p.slots {
		if i := sl.images[path]; i != nil {
			loaded = append(loaded, i)
			delete(sl.images, path)
		}
	}
	return loaded
}

// outlive makes room for somebody who opens an image that is being closed, and waits for requests perhaps for good: these end where they
// are, and those that wait for a worker find none. The lock is held.
func (p *Pool) outlive(m *member) {
	delete(p.members, m.path)
	for _, i := range p.forget(m.path) {
		p.unload(i)
	}
	old := m.table.Swap(&table{refusal: &refusal{status: http.StatusServiceUnavailable, why: unloading}, changed: make(chan struct{})})
	close(old.changed)
}

// unload has a worker unload an image that is not wanted in it any more; nil is none. It does not wait: at the latest the image
// goes with the worker.
func (p *Pool) unload(i image) {
	if i == nil {
		return
	}
	p.wg.Go(func() { _ = i.Close(p.ctx) }) // the log of the worker has what is wrong
}

// killer is a version of an image that killed a worker while it was loaded. It is not tried again for a while unless its file
// changes: others serve in the same worker.
type killer struct {
	stamp stamp
	until time.Time
	err   error
}

// killed is why a version is not tried now.
func (p *Pool) killed(b build) error {
	k, ok := p.killers[b]
	if ok && time.Now().Before(k.until) && stampOf(b.file()) == k.stamp {
		return fmt.Errorf("not tried again before %s, unless the file changes: %w", k.until.Format(time.TimeOnly), k.err)
	}
	delete(p.killers, b)
	return nil
}

// stamp tells whether a file changed. The zero stamp is a file that is not there.
type stamp struct {
	size int64
	time int64 // nanoseconds
}

func stampOf(path string) stamp {
	fi, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{fi.Size(), fi.ModTime().UnixNano()}
}
