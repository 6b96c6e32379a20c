package front

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/gate"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/tally"
)

// housed is an image of a group in the workers of the crew that its kind asks for. It is another one after a version of another kind has taken its
// place. All who open the image for the group share it.
type housed struct {
	front *Front
	image string
	group group
	users int // guarded by pools.mu

	opening sync.Mutex // held while it is opened or closed
	opened  bool       // guarded by opening
	now     atomic.Pointer[home]
	moving  atomic.Pointer[move] // nil: the kind stays
	leaving sync.WaitGroup       // homes that are being closed
	settled atomic.Int64         // homes that are not closed yet, after a move
}

// home is an image in the workers of a crew.
type home struct {
	executor.Replaceable
	gate.Gate // of its requests: it is closed when the last one has left
	kind      kind
	pool      *pool.Pool
	counter   tally.Counter // of its requests while a version of another kind is tried
}

// house opens an image in the workers of a group. The caller must close it.
func (f *Front) house(ctx context.Context, s *setup, k key, v executor.Version) (executor.Replaceable, error) {
	h := f.pools.house(k)
	h.opening.Lock()
	defer h.opening.Unlock()
	if h.opened {
		return h, nil
	}
	made, err := h.open(ctx, s, v)
	if err != nil {
		f.pools.leaveHouse(h)
		f.pools.forgetHouse(h)
		return nil, err
	}
	h.now.Store(made)
	h.opened = true
	return h, nil
}

// open opens a version of the image in the workers of its kind.
func (h *housed) open(ctx context.Context, s *setup, v executor.Version) (*home, error) {
	f := h.front
	cfg := func() *config.Config {
		if s == nil || s.old.Load() {
			return f.setup.Load().cfg // what s says of the pool may have changed
		}
		return s.cfg
	}
	p := cfg().Pools[h.group.pool]
	if p == nil {
		return nil, executor.ErrClosed // it was removed meanwhile
	}
	k, err := f.kindOfVersion(p, h.image, v)
	if err != nil {
		return nil, fmt.Errorf("load %q: %w", h.image, err)
	}
	if k != native {
		if err := f.prepareKind(ctx, k, p); err != nil {
			return nil, fmt.Errorf("load %q: %w", h.image, err)
		}
	}
	workers, err := f.pools.get(crew{h.group, k}, cfg)
	if err != nil {
		return nil, err
	}
	e, err := workers.Open(ctx, h.image, v)
	if err != nil {
		return nil, err
	}
	return &home{Replaceable: e, Gate: gate.New(), kind: k, pool: workers}, nil
}

// prepareKind has workers of a kind be started in a pool, until ctx ends or Drain begins.
func (f *Front) prepareKind(ctx context.Context, k kind, p *config.Pool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.ending, func() { cancel(errors.New("the server is ending")) })()
	return f.wine.prepare(ctx, k, p)
}

// Execute implements [executor.Executor].
func (h *housed) Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	m := h.moving.Load()
	for {
		at := h.now.Load()
		if m != nil && m.takes() {
			at = m.next
		}
		if at.Enter() {
			defer at.Leave()
			if m == nil {
				return at.Execute(w, r, t)
			}
			return at.counted(w, r, t)
		}
		if h.now.Load() == at { // it is closed for good
			return at.Execute(w, r, t)
		}
		m = h.moving.Load()
	}
}

// counted runs a request and counts it.
func (at *home) counted(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	begun := time.Now()
	res := at.Execute(w, r, t)
	at.counter.Done(&res, time.Since(begun))
	if res.Fault != nil {
		at.counter.Crashed()
	}
	return res
}

// Description implements [executor.Executor].
func (h *housed) Description() string { return h.now.Load().Description() }

// Replace implements [executor.Replaceable]. A version of another kind is opened in workers of its own.
func (h *housed) Replace(ctx context.Context, v executor.Version, how executor.Replacing) (executor.Replacement, error) {
	f, now := h.front, h.now.Load()
	s := f.setup.Load()
	p := s.cfg.Pools[h.group.pool]
	if p == nil {
		return nil, executor.ErrClosed
	}
	k, err := f.kindOfVersion(p, h.image, v)
	switch {
	case err != nil:
		return nil, err
	case k == now.kind:
		return now.Replace(ctx, v, how)
	case h.settled.Load() > 0:
		return nil, executor.ErrDraining
	}
	what := fmt.Sprintf("%s: the version that serves is for %s, this one for %s", filepath.Base(h.image), now.kind, k)
	switch {
	case how.Hold:
		return nil, fmt.Errorf(`%s: they have different workers, and with "update: {mode: hold}" the old ones would have to end before it is known that the new ones can run it; `+
			`write "mode: overlap" for this change, or put the file there while the server is stopped`, what)
	case s.filters[asFilter{h.image, h.group.name}]:
		return nil, fmt.Errorf("%s: it is a filter, and all filters of an application run in the same workers; put the files of all there while the server is stopped, "+
			"or name a new file in the configuration and reload that", what)
	}
	next, err := h.open(ctx, nil, v)
	if err != nil {
		return nil, err
	}
	m := &move{of: h, old: now, next: next}
	if err := m.try(ctx, v, p.OnDemand); err != nil {
		h.close(next)
		return nil, err
	}
	h.opening.Lock()
	defer h.opening.Unlock()
	if !h.opened { // it was closed meanwhile, and nobody would close this one
		h.close(next)
		return nil, executor.ErrClosed
	}
	h.moving.Store(m)
	return m, nil
}

// close ends a home that gets no requests any more, in the background.
func (h *housed) close(at *home) {
	h.settled.Add(1)
	h.leaving.Go(func() {
		defer h.settled.Add(-1)
		ctx, cancel := context.WithTimeout(h.front.hurry, h.front.setup.Load().patience())
		defer cancel()
		if err := at.end(ctx); err != nil && !errors.Is(err, executor.ErrClosed) {
			h.front.log.Warn("version of another kind did not end by itself", "image", filepath.Base(h.image), "error", err)
		}
	})
}

// end lets the requests of a home end and closes it.
func (at *home) end(ctx context.Context) error {
	at.Gate.Close()
	return errors.Join(at.Wait(ctx), at.Replaceable.Close(ctx))
}

// Close implements [executor.Executor]: the last one that has opened the image closes it.
func (h *housed) Close(ctx context.Context) error {
	h.opening.Lock()
	defer h.opening.Unlock()
	if !h.front.pools.leaveHouse(h) {
		return nil
	}
	defer h.front.pools.forgetHouse(h)
	h.opened = false
	at := h.now.Load()
	err := at.Replaceable.Close(ctx)
	if m := h.moving.Swap(nil); m != nil {
		err = errors.Join(err, m.other(at).end(ctx))
	}
	h.leaving.Wait()
	return err
}

// move is the replacement of a version by one of another kind: an [executor.Replacement].
type move struct {
	of        *housed
	old, next *home
	share     atomic.Uint64 // of the requests that the new version gets, in parts of 1<<32
	gen       [2]int        // that served when it was begun, in both crews
}

// try has the new version be up. In a pool that sleeps until there is a request nobody has loaded it yet.
func (m *move) try(ctx context.Context, v executor.Version, asleep bool) error {
	if asleep {
		r, err := m.next.Replace(ctx, v, executor.Replacing{Reason: "a version of another kind"})
		if err != nil {
			return err
		}
		r.Commit()
		if err := r.Settle(ctx); err != nil {
			return err
		}
	}
	var err error
	if m.gen[0], err = m.old.pool.Serves(); err != nil && !errors.Is(err, executor.ErrStopped) {
		m.gen[0] = 0 // it may be the reason for this version
	}
	m.gen[1], err = m.next.pool.Serves()
	return err
}

// other is the home that is not at.
func (m *move) other(at *home) *home {
	if at == m.old {
		return m.next
	}
	return m.old
}
