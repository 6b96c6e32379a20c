package swap

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/update"
)

// Image is one image: the version in force, the executors that run it, and one loop that replaces it in all of them.
type Image struct {
	path   string
	log    *slog.Logger
	unuse  func()
	told   func(Receipt)
	turns  *turns
	wanted atomic.Bool // another image waits for a turn that this one has
	orders chan *order
	nudged chan struct{} // has an element when the files may have changed

	ctx    context.Context // ends when nothing is to be begun any more
	cancel context.CancelFunc
	done   chan struct{} // closed when the loop has ended

	loader  atomic.Bool // the image is isapiloader: it has the same protocol
	loading sync.Mutex  // held while the first version is copied
	users   int         // guarded by Images.mu

	mu      sync.Mutex // guards all below
	files   *update.Files
	force   *approved // the version in force; nil before the first load
	since   time.Time
	targets []*target
	started bool
	doing   string
	last    *Receipt
	trouble string

	// Of the loop alone.
	trial     *swap // committed, and being watched
	notBefore time.Time
	ending    sync.WaitGroup // versions that gave way
}

// target is an executor that takes part in swaps.
type target struct {
	Target
	exec executor.Replaceable
}

func newImage(s *Images, path string) *Image {
	i := &Image{
		path: path, log: s.log.With("image", filepath.Base(path)), told: s.told, turns: s.turns, orders: make(chan *order), nudged: make(chan struct{}, 1), done: make(chan struct{}),
	}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	i.unuse = func() { s.unuse(i) }
	return i
}

// name says what the files of the image are called.
func (i *Image) name(f *update.Files) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.files != nil && i.files.Update() == f.Update() {
		return
	}
	i.files = f
	if i.force != nil {
		f.Serving(i.force.build.SHA256)
	}
}

func (i *Image) nudge() {
	select {
	case i.nudged <- struct{}{}:
	default:
	}
}

// open loads the version in force for a target. When another has come into force meanwhile, it loads that.
func (i *Image) open(t Target) (executor.Executor, error) {
	for {
		v, err := i.inForce(t.Policy())
		if err != nil {
			return nil, err
		}
		e, err := t.Load(v.version)
		if err != nil {
			return nil, errors.Join(err, v.release())
		}
		joined := &target{t, e}
		ok := i.join(joined, v)
		i.letGo(v) // which is none of the executor's troubles: it may take part already
		if !ok {
			if err := e.Close(i.ctx); err != nil {
				return nil, err
			}
			continue
		}
		return &opened{Replaceable: e, leave: func() { i.leave(joined) }, force: i.nowInForce}, nil
	}
}

// inForce is the version in force, with one more user. The first time it is what lies at the path.
func (i *Image) inForce(p Policy) (*approved, error) {
	i.loading.Lock()
	defer i.loading.Unlock()
	i.mu.Lock()
	v, files := i.force, i.files
	if v != nil {
		v.retain() // as long as it is in force it has a user
	}
	i.mu.Unlock()
	if v != nil {
		return v, nil
	}
	v, err := i.first(files, p)
	if err != nil {
		return nil, err
	}
	files.Serving(v.build.SHA256)
	i.mu.Lock()
	i.force, i.since = v.retain(), time.Now()
	i.mu.Unlock()
	return v, nil
}

// nowInForce is the version in force, with one more user; nil: there is none any more.
func (i *Image) nowInForce() *approved {
	i.mu.Lock()
	defer i.mu.Unlock()
	v := i.force
	if v == nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.users == 0 {
		return nil
	}
	v.users++
	return v
}

// join has a target take part from now on, if it runs the version in force.
func (i *Image) join(t *target, v *approved) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.force != v {
		return false
	}
	i.targets = append(i.targets, t)
	if !i.started {
		i.started = true
		go i.run()
	}
	return true
}

// leave has a target take part no more.
func (i *Image) leave(t *target) {
	i.mu.Lock()
	before := len(i.targets)
	i.targets = slices.DeleteFunc(i.targets, func(o *target) bool { return o == t })
	left := len(i.targets) < before
	i.mu.Unlock()
	if left {
		i.unuse()
	}
}

// end gives up what nobody uses any more.
func (i *Image) end() {
	i.cancel()
	i.stop()
	i.mu.Lock()
	v := i.force
	i.mu.Unlock()
	if v != nil {
		i.letGo(v)
	}
}

// letGo takes a user of a version away.
func (i *Image) letGo(v *approved) {
	if err := v.release(); err != nil {
		i.log.Warn("copy of an image cannot be removed", "error", err)
	}
}

// stop waits for the end of the loop, which must have been told.
func (i *Image) stop() {
	i.mu.Lock()
	started := i.started
	i.mu.Unlock()
	if started {
		<-i.done
	}
}

// policy is what all targets agree on.
func (i *Image) policy() (p Policy) {
	i.mu.Lock()
	targets := slices.Clone(i.targets)
	i.mu.Unlock()
	for n, t := range targets {
		if n == 0 {
			p = t.Policy()
		} else {
			p = strictest(p, t.Policy())
		}
	}
	return p
}

// opened is an executor that leaves its image when it is closed.
type opened struct {
	executor.Replaceable
	leave func()
	force func() *approved // the version in force, with one more user

	closing sync.Once
	kept    atomic.Pointer[approved] // until it is closed: workers that start meanwhile load it; nil: there is none, or it was let go
}

func (o *opened) Close(ctx context.Context) error {
	o.closing.Do(func() {
		o.kept.Store(o.force())
		o.leave()
	})
	err := o.Replaceable.Close(ctx)
	if err != nil && !errors.Is(err, executor.ErrClosed) {
		return err // it may be called again
	}
	if v := o.kept.Swap(nil); v != nil {
		if why := v.release(); why != nil {
			return errors.Join(err, why)
		}
	}
	return err
}

// Unwrap is the executor that takes part.
func (o *opened) Unwrap() executor.Replaceable { return o.Replaceable }

// Faults is how many were contained in this process.
func (o *opened) Faults() int64 {
	if counts, ok := o.Replaceable.(interface{ Faults() int64 }); ok {
		return counts.Faults()
	}
	return 0
}

// state is what the operator sees.
func (i *Image) state() State {
	p := i.policy()
	i.mu.Lock()
	defer i.mu.Unlock()
	s := State{Image: i.path, Pools: []string{}, Since: i.since, Watched: p.Watch && !i.loader.Load(), Doing: i.doing, Trouble: i.trouble}
	if i.force != nil {
		s.Serving = i.force.build
	}
	for _, t := range i.targets {
		s.Pools = append(s.Pools, t.Pool)
		s.Serving.Description = t.exec.Description()
	}
	if i.last != nil {
		last := *i.last
		s.Last = &last
	}
	return s
}
