package passwd

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// ErrBusy means that so many passwords are being checked that another one is not.
var ErrBusy = errors.New("too many passwords are being checked")

// mostWaiting is how many checks may wait for a processor.
const mostWaiting = 100

// checks is the gate of the whole process.
var checks = newGate(max(1, runtime.GOMAXPROCS(0)/2))

// gate bounds how many processors check passwords at a time.
type gate struct {
	room    *semaphore.Weighted
	size    int64
	waiting atomic.Int64
}

func newGate(size int) *gate {
	return &gate{room: semaphore.NewWeighted(int64(size)), size: int64(size)}
}

// enter waits for n processors, or for all there are if n is more. The error is [ErrBusy], or that of ctx. The caller must call
// leave when there is none.
func (g *gate) enter(ctx context.Context, n int64) (leave func(), err error) {
	n = min(n, g.size)
	leave = func() { g.room.Release(n) }
	if g.room.TryAcquire(n) {
		return leave, nil
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > mostWaiting {
		return nil, ErrBusy
	}
	if err := g.room.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return leave, nil
}
