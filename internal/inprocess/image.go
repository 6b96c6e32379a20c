package inprocess

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/gate"
	"github.com/isapid/isapid/internal/tally"
)

// Limits say how long a replacement may wait for the image's code, which nobody can end by force.
type Limits struct {
	Load time.Duration // longest time until another version has been loaded and has answered. Default 90 s
	End  time.Duration // longest time until a version has ended that may not run beside another. Default 90 s
}

func (l Limits) withDefaults() Limits {
	if l.Load <= 0 {
		l.Load = 90 * time.Second
	}
	if l.End <= 0 {
		l.End = 90 * time.Second
	}
	return l
}

// Image is an image that runs in this process, an [executor.Replaceable].
type Image struct {
	path    string
	opt     executor.Options
	limits  Limits
	log     *slog.Logger
	route   atomic.Pointer[route]
	waiting atomic.Int64 // requests in the queue
	several atomic.Bool  // versions are living; set with mu held

	open context.Context // ends when Close begins
	shut context.CancelCauseFunc
	busy sync.WaitGroup // loading and ending of versions; begun with mu held, and not after closing but by Close

	mu      sync.Mutex // guards all below
	serving *version   // in force; it is over when it could not be loaded again
	living  map[*version]struct{}
	loads   int
	turn    bool          // somebody replaces the image
	news    chan struct{} // closed when turn or living change
	closing bool
	told    bool // Close has said that all is over
	errs    []error
	past    int64 // faults of versions that are gone
	stuck   int
}

var _ executor.Replaceable = (*Image)(nil)

// Open loads the image at path, or the version of it that o names. The caller must call Close.
func Open(path string, o executor.Options, l Limits) (*Image, error) {
	o = o.WithDefaults()
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	i := &Image{path: path, opt: o, limits: l.withDefaults(), log: o.Logger.With("image", o.Name), living: map[*version]struct{}{}, news: make(chan struct{})}
	i.open, i.shut = context.WithCancelCause(context.Background())
	v, err := i.start(o.Version)
	if err != nil {
		i.shut(err)
		return nil, err
	}
	i.serving = v
	i.route.Store(&route{to: v, changed: make(chan struct{})})
	return i, nil
}

// start loads a version.
func (i *Image) start(what executor.Version) (*version, error) {
	i.mu.Lock()
	i.loads++
	number := i.loads
	i.mu.Unlock()
	v := &version{Gate: gate.New(), number: number, what: what, counter: &tally.Counter{}, ended: make(chan struct{})}
	v.place = &executor.Place{Pool: i.opt.Pool, Image: i.path, Generation: number}
	numbers.give(v.place)
	o := i.opt
	o.Version, o.Generation, o.ImageID = what, number, v.place.ImageID
	o.Faulted = func(err error) {
		v.counter.Crashed()
		rt := i.route.Load()
		if i.opt.Faulted != nil && (rt == nil || rt.to == v) { // the fault of one that is tried, or gave way, says nothing about the one in force
			i.opt.Faulted(err)
		}
	}
	ext, err := extension.Open(i.path, o)
	if err != nil {
		numbers.end(v.place)
		return nil, err
	}
	v.ext = ext
	v.what.SHA256 = ext.Version().SHA256 // lest another one is loaded when it is loaded again
	v.place.SHA256 = v.what.SHA256
	i.mu.Lock()
	defer i.mu.Unlock()
	i.living[v] = struct{}{}
	i.several.Store(len(i.living) > 1)
	return v, nil
}

// end has a version finish what it has, and unload. No request may be routed to it any more. Its channel ended is closed when
// that is over.
func (i *Image) end(v *version) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.endLocked(v)
}

func (i *Image) endLocked(v *version) {
	v.ending.Do(func() {
		v.Close()
		i.busy.Go(func() {
			_ = v.Wait(context.Background())
			v.endErr = v.ext.Close(context.Background())
			i.mu.Lock()
			defer i.mu.Unlock()
			numbers.end(v.place)
			delete(i.living, v)
			i.several.Store(len(i.living) > 1)
			i.past += v.ext.Faults()
			if v.ext.Stuck() {
				i.stuck++
			}
			if i.closing {
				i.errs = append(i.errs, v.endErr)
			}
			close(v.ended)
			i.tell()
		})
	})
}

// tell those who wait for something. The lock is held.
func (i *Image) tell() {
	close(i.news)
	i.news = make(chan struct{})
}

// when waits for a fact, which is looked at with the lock held. An error is that of ctx, or that the image is closed.
func (i *Image) when(ctx context.Context, fact func() bool) error {
	for {
		i.mu.Lock()
		switch {
		case i.closing:
			i.mu.Unlock()
			return executor.ErrClosed
		case fact():
			i.mu.Unlock()
			return nil
		}
		news := i.news
		i.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// reroute gives the image another route. It does nothing when the image is closed.
func (i *Image) reroute(rt route) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.closing {
		i.rerouteLocked(rt)
	}
}

func (i *Image) rerouteLocked(rt route) {
	rt.changed = make(chan struct{})
	close(i.route.Swap(&rt).changed)
}

// Description is the text that the version in force gave in HSE_VERSION_INFO.
func (i *Image) Description() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.serving.ext.Description()
}

// Version is the version in force.
func (i *Image) Version() executor.Version {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.serving.ext.Version()
}

// Loaded says how many times a version was loaded when the one in force was, which is its number, and how many requests that has had.
func (i *Image) Loaded() (number int, requests int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.serving.number, i.serving.counter.Sum().Requests + int64(i.serving.Inside())
}

// Faults is the number of contained faults in all versions so far.
func (i *Image) Faults() int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := i.past
	for v := range i.living {
		n += v.ext.Faults()
	}
	return n
}

// Stuck is how many versions were unloaded and stayed in memory all the same; see [extension.Extension.Stuck].
func (i *Image) Stuck() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stuck
}

// Close refuses new requests, ends a replacement that is under way, lets running requests end (until ctx does) and unloads all
// versions; see [executor.Executor].
func (i *Image) Close(ctx context.Context) error {
	i.mu.Lock()
	if !i.closing {
		i.rerouteLocked(route{refusal: &refusal{status: 503, why: "extension is being unloaded"}})
		i.closing = true
		i.shut(executor.ErrClosed) // what is being loaded now ends when that is over
		for v := range i.living {
			i.endLocked(v)
		}
		i.tell()
	}
	i.mu.Unlock()
	over := make(chan struct{})
	go func() { defer close(over); i.busy.Wait() }()
	select {
	case <-over:
	case <-ctx.Done():
		return i.unfinished(ctx.Err())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.told {
		return fmt.Errorf("extension %q: %w", i.opt.Name, executor.ErrClosed)
	}
	i.told = true
	return errors.Join(i.errs...)
}

// unfinished is the error of versions that do not come to their end.
func (i *Image) unfinished(why error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	var errs []error
	for _, v := range slices.SortedFunc(maps.Keys(i.living), func(a, b *version) int { return a.number - b.number }) {
		if v.Closed() {
			errs = append(errs, v.blocked(why))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, fmt.Errorf("a version has not been loaded to its end: %w", why))
	}
	return fmt.Errorf("extension %q: %w", i.opt.Name, errors.Join(errs...))
}
