package inprocess

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// replacement is an [executor.Replacement]. It has the turn until it is settled or reverted.
type replacement struct {
	i        *Image
	old, new *version
	held     *holding // nil: both versions may run at a time
	before   int64    // requests the old version had lost when the replacement began

	stage    stage // guarded by Image.mu
	reverted chan struct{}
	err      error // of Revert; set before reverted is closed
}

// stage is how far a replacement has come.
type stage int

const (
	ready stage = iota
	committed
	settled
	takenBack
)

// Description is what the new version said.
func (r *replacement) Description() string { return r.new.ext.Description() }

// Execute runs a request in the new version.
func (r *replacement) Execute(w http.ResponseWriter, q *http.Request, t *executor.Target) executor.Result {
	if !r.new.Enter() {
		return refuse(w, q, t, &refusal{http.StatusServiceUnavailable, "version is being unloaded"})
	}
	defer r.new.Leave()
	return r.new.run(w, q, t, false)
}

// Share routes a part of the requests to the new version until the commit.
func (r *replacement) Share(part float64) {
	r.i.mu.Lock()
	defer r.i.mu.Unlock()
	if r.stage != ready || r.held != nil || r.i.closing || r.old.Closed() { // an old one that could not be loaded again is closed
		return
	}
	rt := route{to: r.old}
	if part > 0 {
		rt.next, rt.part = r.new, uint64(min(part, 1)*(1<<32))
	}
	r.i.rerouteLocked(rt)
}

// Commit routes all requests to the new version.
func (r *replacement) Commit() {
	i := r.i
	i.mu.Lock()
	if r.stage != ready || i.closing {
		i.mu.Unlock()
		return
	}
	r.stage = committed
	i.serving = r.new
	i.rerouteLocked(route{to: r.new})
	i.mu.Unlock()
	i.log.Info("new version serves", "generation", r.new.number, "version", label(r.new.what), "in the old one", r.old.Inside())
}

// Settle has the old version end; see [executor.Replacement].
func (r *replacement) Settle(ctx context.Context) error {
	i := r.i
	i.mu.Lock()
	before := r.stage
	if before == committed {
		r.stage = settled
		i.endLocked(r.old)
		i.turn = false
		i.tell()
	}
	i.mu.Unlock()
	switch before {
	case ready, takenBack:
		return i.errorf(errors.New("the new version does not serve"))
	case settled:
	case committed:
		i.log.Info("old version is let go", "generation", r.old.number, "version", label(r.old.what))
	}
	if err := r.old.await(ctx); err != nil {
		return i.errorf(err)
	}
	if r.old.endErr != nil {
		return i.errorf(r.old.endErr)
	}
	return nil
}

// Revert routes requests to the old version again; see [executor.Replacement]. When that may not run beside the new one, requests
// wait until the new one has ended, however long that takes; Revert does not wait longer than versions may take to end.
func (r *replacement) Revert(ctx context.Context) error {
	i := r.i
	i.mu.Lock()
	switch {
	case i.closing:
		i.mu.Unlock()
		return i.errorf(executor.ErrClosed)
	case r.stage == settled:
		i.mu.Unlock()
		return i.errorf(errors.New("the old version has ended already"))
	case r.stage == takenBack:
	default:
		r.stage, r.reverted = takenBack, make(chan struct{})
		if r.held == nil && !r.old.Closed() {
			i.serving = r.old
			i.rerouteLocked(route{to: r.old})
			i.endLocked(r.new)
			i.turn = false
			i.tell()
			close(r.reverted)
			break
		}
		held := r.held
		if held == nil {
			held = &holding{}
		}
		i.rerouteLocked(route{held: held})
		i.endLocked(r.new)
		i.busy.Go(func() {
			defer close(r.reverted)
			defer i.pass()
			select {
			case <-r.new.ended:
				r.err = r.restore()
			case <-i.open.Done():
				r.err = executor.ErrClosed
			}
		})
	}
	i.mu.Unlock()
	i.log.Warn("new version is taken back", "version", label(r.old.what))
	limit, cancel := context.WithTimeoutCause(ctx, i.limits.End, fmt.Errorf("it did not end within %v", i.limits.End))
	defer cancel()
	select {
	case <-r.reverted:
	case <-limit.Done():
		return i.errorf(r.new.blocked(context.Cause(limit)))
	}
	if r.err != nil {
		return i.errorf(r.err)
	}
	return nil
}

// Progress may be asked at any time.
func (r *replacement) Progress() executor.Progress {
	before, after := r.old.counter.Sum(), r.new.counter.Sum()
	p := executor.Progress{
		OldGeneration: r.old.number, NewGeneration: r.new.number, Old: before, New: after, OldInside: r.old.Inside(),
		Lost: before.Lost - r.before + after.Lost, Down: r.down(),
	}
	if r.held != nil {
		p.Held, p.Longest = int(r.held.count.Load()), time.Duration(r.held.longest.Load())
		p.Lost += r.held.refused.Load()
	}
	return p
}

// down is why the new version cannot go on; "" if it can.
func (r *replacement) down() string {
	switch {
	case r.new.Closed():
		return "it is being unloaded"
	case r.i.opt.OnFault == executor.FaultRefuse && r.new.ext.Faults() > 0:
		return "it had a fault and its policy is to refuse"
	}
	return ""
}
