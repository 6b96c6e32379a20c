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
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// retryAfter is how long a failed load is remembered, unless the file changes: a broken image is not opened anew for
// every request, and one that was repaired is noticed at once.
const retryAfter = 30 * time.Second

// cache holds one executor per image and group. It loads an image on the first request; requests that come meanwhile wait for that load.
type cache struct {
	load func(image string, g group) (executor.Executor, error)
	now  func() time.Time

	mu      sync.Mutex // guards the fields below
	entries map[key]*entry
	closed  bool
}

type key struct {
	image string
	group group
}

// entry is one load and its result. The fields below ready are set before ready is closed and not changed after.
type entry struct {
	ready chan struct{}

	exec   executor.Executor
	err    error
	failed time.Time // when, if err is set
	stamp  stamp     // of the file, before it was loaded
}

func newCache(load func(image string, g group) (executor.Executor, error)) *cache {
	return &cache{load: load, now: time.Now, entries: map[key]*entry{}}
}

// get is the executor of image in g, loaded if need be. It fails with [executor.ErrClosed] once close began.
func (c *cache) get(image string, g group) (executor.Executor, error) {
	e, mine, err := c.entry(key{image, g})
	if err != nil {
		return nil, err
	}
	if mine {
		c.fill(e, image, g)
	}
	<-e.ready
	return e.exec, e.err
}

// entry finds the entry for k or makes one, which the caller must fill.
func (c *cache) entry(k key) (e *entry, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false, fmt.Errorf("image %q: %w", k.image, executor.ErrClosed)
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
func (c *cache) fill(e *entry, image string, g group) {
	defer close(e.ready)
	e.err = errors.New("load did not end") // what the others see should load panic
	e.stamp = stampOf(image)
	e.exec, e.err = c.load(image, g)
	e.failed = c.now()
}

// close refuses further requests and closes every executor, all at a time, waiting for running requests until ctx ends.
func (c *cache) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	entries := maps.Clone(c.entries)
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
	c.each(func(k key, e executor.Executor) {
		list = append(list, Extension{k.image, k.group.name, e.Description()})
	})
	slices.SortFunc(list, func(a, b Extension) int {
		return cmp.Or(strings.Compare(a.Image, b.Image), strings.Compare(a.Pool, b.Pool))
	})
	return list
}

// faults is how many faults were contained, in requests and outside of them.
func (c *cache) faults() (n int64) {
	c.each(func(_ key, e executor.Executor) {
		if counts, ok := e.(interface{ Faults() int64 }); ok {
			n += counts.Faults()
		}
	})
	return n
}

// each calls f for what is loaded, or was when the cache was closed.
func (c *cache) each(f func(key, executor.Executor)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.entries {
		select {
		case <-e.ready:
			if e.err == nil {
				f(k, e.exec)
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
