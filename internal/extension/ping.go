package extension

import (
	"context"
	"errors"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// Ping returns when a thread that runs requests was free to run nothing at all: the answer of an extension whose threads
// all hang does not come. It waits until ctx ends, however many requests wait already.
func (e *Extension) Ping(ctx context.Context) error {
	if !e.gate.enter() {
		return executor.ErrClosed
	}
	defer e.gate.leave()
	for {
		err := e.threads.run(ctx, nothing{})
		if !errors.Is(err, errQueueFull) && !errors.Is(err, errQueueWait) {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type nothing struct{}

func (nothing) runProc() {}
