package extension

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// threads decides on which OS thread an extension's code runs and how many may at a time.
type threads interface {
	// run runs j on a thread and returns when that is done. Errors: errQueueFull, errQueueWait, or ctx's.
	run(ctx context.Context, j job) error
	// complete runs a completion callback. It does not wait for a free place: requests inside may be waiting for it.
	complete(f func())
	// visit runs f on a thread that is the image's: right there if it is called on one, else as complete.
	visit(f func())
	// stop ends the threads: terminate runs on the first one while it can still run code of the extension, detach is its
	// very last.
	stop(terminate, detach func() error) error
	describe() string
}

// job is what a thread runs: the HttpExtensionProc of a request, or nothing at all for [Extension.Ping].
type job interface{ runProc() }

var (
	errQueueFull = errors.New("too many requests wait for a thread")
	errQueueWait = errors.New("no thread became free in time")
)

// newThreads chooses: own threads where the extension must always see the same ones (threads: 1, a DllMain that is to be
// told of them) or needs a stack of another size; otherwise the thread a request is on already, which saves two switches.
func newThreads(e *Extension, start func() error) (threads, error) {
	if e.ownThreads() {
		return newOwn(e, start)
	}
	return &shared{places: make(chan struct{}, e.opt.Threads), queue: queue{limit: int64(e.opt.Queue), wait: e.opt.QueueWait}}, start()
}

func (e *Extension) ownThreads() bool {
	return e.opt.Threads == 1 || e.opt.Stack > 0 || e.exports.dllMain != 0
}

// shared runs requests where they are, so many at a time.
type shared struct {
	places chan struct{}
	queue  queue
}

func (s *shared) run(ctx context.Context, j job) error {
	select {
	case s.places <- struct{}{}:
	default:
		if err := wait(ctx, &s.queue, s.places, struct{}{}); err != nil {
			return err
		}
	}
	defer func() { <-s.places }()
	j.runProc()
	return nil
}

func (s *shared) complete(f func()) { f() }

func (s *shared) visit(f func()) { f() }

func (s *shared) stop(terminate, detach func() error) error {
	return errors.Join(terminate(), detach())
}

func (s *shared) describe() string { return fmt.Sprintf("up to %d", cap(s.places)) }

// queue bounds those who wait, in number and time.
type queue struct {
	limit   int64
	wait    time.Duration // negative: no limit
	waiting atomic.Int64
}

// wait sends v on c as one of those in the queue.
func wait[T any](ctx context.Context, q *queue, c chan<- T, v T) error {
	if q.waiting.Add(1) > q.limit {
		q.waiting.Add(-1)
		return errQueueFull
	}
	defer q.waiting.Add(-1)
	var late <-chan time.Time
	if q.wait > 0 {
		t := time.NewTimer(q.wait)
		defer t.Stop()
		late = t.C
	}
	select {
	case c <- v:
		return nil
	case <-late:
		return errQueueWait
	case <-ctx.Done():
		return ctx.Err()
	}
}
