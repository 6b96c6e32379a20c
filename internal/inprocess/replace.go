package inprocess

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/isapid/isapid/internal/executor"
)

// mostDraining is how many earlier versions may still have requests when another one is loaded.
const mostDraining = 2

// Replace loads another version and returns when a thread of it has answered; see [executor.Replaceable].
func (i *Image) Replace(ctx context.Context, v executor.Version, how executor.Replacing) (executor.Replacement, error) {
	err := i.when(ctx, func() bool {
		if i.turn {
			return false
		}
		i.turn = true
		return true
	})
	if err != nil {
		return nil, i.errorf(err)
	}
	if err := i.room(ctx); err != nil {
		i.pass()
		return nil, i.errorf(err)
	}
	r := &replacement{i: i, old: i.serving} // which changes only in a turn
	if how.Hold {
		r.held = &holding{}
	}
	r.before = r.old.counter.Sum().Lost
	i.log.Info("replacement begins", "from", label(r.old.what), "to", label(v), "hold", how.Hold, "reason", how.Reason)
	if err := r.begin(ctx, v); err != nil {
		i.log.Error("new version did not come up: the old one serves on", "error", err)
		i.pass()
		return nil, i.errorf(err)
	}
	i.log.Info("new version is ready", "generation", r.new.number)
	return r, nil
}

// room waits until few enough versions still end, but not longer than one may take: nobody can end it by force.
func (i *Image) room(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, i.limits.End, executor.ErrDraining)
	defer cancel()
	err := i.when(ctx, func() bool { return i.draining() < mostDraining })
	if errors.Is(err, executor.ErrDraining) {
		return i.unfinished(err)
	}
	return err
}

func (i *Image) errorf(err error) error {
	return fmt.Errorf("replacement of %q: %w", i.opt.Name, err)
}

// label names a version in the log.
func label(v executor.Version) string {
	if v.SHA256 == "" {
		return "the file at the image's path"
	}
	return v.SHA256[:min(len(v.SHA256), 12)]
}

// draining is the number of versions that end. The lock is held.
func (i *Image) draining() (n int) {
	for v := range i.living {
		if v.Closed() {
			n++
		}
	}
	return n
}

// pass gives the turn to the next replacement.
func (i *Image) pass() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.turn = false
	i.tell()
}

// begin brings the new version to the point where it could serve. When that fails everything is as it was.
func (r *replacement) begin(ctx context.Context, v executor.Version) (err error) {
	if r.held == nil {
		r.new, err = r.i.load(ctx, v)
		return err
	}
	if err := r.make(ctx); err != nil {
		return err
	}
	if r.new, err = r.i.load(ctx, v); err != nil {
		return errors.Join(err, r.restore())
	}
	return nil
}

// make room for a version that may not run beside another one: requests wait from now on, and what is loaded ends. When it does
// not in time, the old version serves on.
func (r *replacement) make(ctx context.Context) error {
	i := r.i
	ctx, cancel := context.WithTimeoutCause(ctx, i.limits.End, fmt.Errorf("it did not end within %v", i.limits.End))
	defer cancel()
	defer context.AfterFunc(i.open, cancel)()
	for _, v := range i.others(r.old) {
		if err := v.await(ctx); err != nil {
			return err
		}
	}
	if r.old.over() {
		return nil // it could not be loaded again
	}
	i.reroute(route{held: r.held})
	r.old.Close()
	if err := r.old.Wait(ctx); err != nil {
		i.reopen(r.old)
		return r.old.blocked(err)
	}
	i.end(r.old)
	if err := r.old.await(ctx); err != nil {
		return errors.Join(err, r.restore())
	}
	i.log.Info("old version has ended: the new one starts")
	return nil
}

// reopen routes requests to a version again that was closed and has not begun to end.
func (i *Image) reopen(v *version) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.closing {
		v.Open()
		i.rerouteLocked(route{to: v})
	}
}

// others are all versions that are loaded but one.
func (i *Image) others(but *version) (list []*version) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for v := range i.living {
		if v != but {
			list = append(list, v)
		}
	}
	return list
}

// await waits until a version has ended.
func (v *version) await(ctx context.Context) error {
	select {
	case <-v.ended:
		return nil
	case <-ctx.Done():
		return v.blocked(context.Cause(ctx))
	}
}

// restore loads the old version again, which has ended, and routes requests to it.
func (r *replacement) restore() error {
	i := r.i
	again, err := i.load(i.open, r.old.what)
	if err != nil {
		err = fmt.Errorf("the old version cannot be loaded again: %w", err)
		i.reroute(route{refusal: &refusal{500, err.Error()}})
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closing {
		return executor.ErrClosed
	}
	i.serving = again
	i.rerouteLocked(route{to: again})
	return nil
}

// load loads a version in the time it may take, and has a thread of it answer. Loading cannot be broken off: when the time is over a
// version that comes up after all is ended at once.
func (i *Image) load(ctx context.Context, what executor.Version) (*version, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, i.limits.Load, fmt.Errorf("it was not loaded within %v", i.limits.Load))
	defer cancel()
	defer context.AfterFunc(i.open, cancel)()
	type loaded struct {
		*version
		error
	}
	done := make(chan loaded, 1)
	var settled atomic.Bool // by whoever comes first: it is loaded, or nobody waits for it
	i.mu.Lock()
	if i.closing {
		i.mu.Unlock()
		return nil, executor.ErrClosed
	}
	i.busy.Go(func() {
		v, err := i.start(what)
		if err == nil {
			if err = v.ext.Ping(ctx); err != nil {
				err = fmt.Errorf("no thread of it answered: %w", cause(ctx, err))
			}
		}
		if v != nil && i.open.Err() != nil {
			err = executor.ErrClosed
		}
		kept := settled.CompareAndSwap(false, true)
		if v != nil && (err != nil || !kept) {
			i.end(v)
		}
		done <- loaded{v, err}
	})
	i.mu.Unlock()
	select {
	case l := <-done:
		return l.version, l.error
	case <-ctx.Done():
	}
	if settled.CompareAndSwap(false, true) {
		return nil, cause(ctx, ctx.Err())
	}
	l := <-done
	return l.version, l.error
}

// cause is why ctx ended, if err is due to that.
func cause(ctx context.Context, err error) error {
	if errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return err
}
