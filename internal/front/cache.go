package front

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

// retryAfter is how long a failed load is remembered, unless the file changes: a broken image is not opened anew for
// every request, and one that was repaired is noticed at once.
const retryAfter = 30 * time.Second

// cache holds the executors. It loads an image on the first request; requests that come meanwhile wait for that load.
type cache struct {
	now func() time.Time

	mu      sync.Mutex // guards the fields below
	entries map[key]*entry
	past    int64 // faults of executors that are closed
	closed  bool
}

// key tells executors apart.
type key struct {
	image  string
	group  group
	inside inside
	runs   config.Platform // what its workers may be programs of; "" if it has none
	filter bool            // the image is a filter there, and perhaps an extension besides
}

// entry is one load and its result. The fields from exec to stamp are set before ready is closed and not changed after.
type entry struct {
	ready chan struct{}

	exec   executor.Executor
	err    error
	failed time.Time // when, if err is set
	stamp  stamp     // of the file, before it was loaded

	gone atomic.Bool // the cache has it no more, or is closed
}

func newCache() *cache { return &cache{now: time.Now, entries: map[key]*entry{}} }

// get is the executor for k, loaded if need be. It fails with [executor.ErrClosed] once close began.
func (c *cache) get(k key, load func() (executor.Executor, error)) (executor.Executor, error) {
	e, err := c.ready(k, load)
	if err != nil {
		return nil, err
	}
	return e.exec, nil
}

// ready is the entry for k that get has the executor of.
func (c *cache) ready(k key, load func() (executor.Executor, error)) (*entry, error) {
	e, mine, err := c.entry(k)
	if err != nil {
		return nil, err
	}
	if mine {
		c.fill(e, k.image, load)
	}
	<-e.ready
	return e, e.err
}

// find is the executor for k if there is one, else it fails with [executor.ErrClosed].
func (c *cache) find(k key) (executor.Executor, error) {
	c.mu.Lock()
	e := c.entries[k]
	c.mu.Unlock()
	if e == nil {
		return nil, closedError(k)
	}
	<-e.ready
	return e.exec, e.err
}

func closedError(k key) error { return fmt.Errorf("image %q: %w", k.image, executor.ErrClosed) }

// has says whether the executor for k is loaded. A failure is forgotten, so that the next get tries again.
func (c *cache) has(k key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[k]
	if e == nil {
		return false
	}
	select {
	case <-e.ready:
	default:
		return true // get waits for it
	}
	if e.err != nil {
		e.gone.Store(true)
		delete(c.entries, k)
	}
	return e.err == nil
}

// remove takes away what nobody wants. The caller must close it.
func (c *cache) remove(unwanted func(key) bool) map[key]*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	removed := map[key]*entry{}
	for k, e := range c.entries {
		if unwanted(k) {
			removed[k] = e
			e.gone.Store(true)
			delete(c.entries, k)
		}
	}
	return removed
}

func (c *cache) keys() []key {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.entries))
}

// groups are those in whose workers something is loaded, or may be.
func (c *cache) groups() map[group]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[group]bool{}
	for k := range c.entries {
		if !k.inside.here || k.inside.onFault == config.FaultIsolate {
			all[k.group] = true
		}
	}
	return all
}

// end closes what was removed.
func (c *cache) end(ctx context.Context, k key, e *entry) error {
	<-e.ready
	err := closeOne(ctx, k, e)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past += faultsOf(e)
	return err
}

// entry finds the entry for k or makes one, which the caller must fill.
func (c *cache) entry(k key) (e *entry, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false, closedError(k)
	}
	if e := c.entries[k]; e != nil && !c.stale(e, k.image) {
		return e, false, nil
	}
	e = &entry{ready: make(chan struct{})}
	c.entries[k] = e
	return e, true, nil
}

// stale says whether e is a failure that is worth another try.
func (c *cache) stale(e *entry, image string) bool {
	select {
	case <-e.ready:
		return e.err != nil && (c.now().Sub(e.failed) >= retryAfter || stampOf(image) != e.stamp)
	default:
		return false
	}
}

// fill loads the image of an entry that was just made.
func (c *cache) fill(e *entry, image string, load func() (executor.Executor, error)) {
	defer close(e.ready)
	e.err = errors.New("load did not end") // what the others see should load panic
	e.stamp = stampOf(image)
	e.exec, e.err = load()
	e.failed = c.now()
}

// close refuses further requests and closes every executor, all at a time, waiting for running requests until ctx ends.
func (c *cache) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	entries := maps.Clone(c.entries)
	for _, e := range entries {
		e.gone.Store(true)
	}
	c.mu.Unlock()

	errs := make(chan error)
	for k, e := range entries {
		go func() {
			<-e.ready
			errs <- closeOne(ctx, k, e)
		}()
	}
	var all []error
	for range entries {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func closeOne(ctx context.Context, k key, e *entry) error {
	if e.err != nil {
		return nil
	}
	if err := e.exec.Close(ctx); err != nil {
		return fmt.Errorf("close %q of pool %q: %w", k.image, k.group.name, err)
	}
	return nil
}

// loaded lists what is loaded, by image and pool.
func (c *cache) loaded() []Extension {
	list := []Extension{}
	c.each(func(k key, e *entry) {
		one := Extension{Image: k.image, Pool: k.group.name, Description: e.exec.Description(), InProcess: k.inside.here, Filter: k.filter}
		if in, ok := insideOfExecutor(e.exec); ok && one.InProcess {
			one.version, one.faults = in.Version(), in.Faults()
			one.generation, one.requests = in.Loaded()
		}
		list = append(list, one)
	})
	slices.SortFunc(list, func(a, b Extension) int {
		return cmp.Or(strings.Compare(a.Image, b.Image), strings.Compare(a.Pool, b.Pool))
	})
	return list
}

// faults is how many faults were contained, in requests and outside of them.
func (c *cache) faults() (n int64) {
	c.each(func(_ key, e *entry) { n += faultsOf(e) })
	c.mu.Lock()
	defer c.mu.Unlock()
	return n + c.past
}

func faultsOf(e *entry) int64 {
	if e.err != nil {
		return 0
	}
	return faultsIn(e.exec)
}

// faultsIn is how many an executor contained in this process.
func faultsIn(e executor.Executor) int64 {
	if counts, ok := e.(interface{ Faults() int64 }); ok {
		return counts.Faults()
	}
	return 0
}

// each calls f for what is loaded, or was when the cache was closed.
func (c *cache) each(f func(key, *entry)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.entries {
		select {
		case <-e.ready:
			if e.err == nil {
				f(k, e)
			}
		default:
		}
	}
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

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// loadedHere is an image in this process.
type loadedHere interface {
	Version() executor.Version
	Faults() int64
	Loaded() (number int, requests int64)
}

// insideOfExecutor finds the image in this process behind an executor.
func insideOfExecutor(e executor.Executor) (loadedHere, bool) {
	for {
		switch x := e.(type) {
		case loadedHere:
			return x, true
		case *switching:
			e = x.inside
		case interface{ Unwrap() executor.Replaceable }:
			e = x.Unwrap()
		default:
			return nil, false
		}
	}
}
