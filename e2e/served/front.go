package served

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Front is a front.Front: an interface, because the tests of that package run theirs here, too.
type Front interface {
	Start() error
	Serve(ctx context.Context) error
	Drain(ctx context.Context) error
}

// Run starts a front and has it serve until end is called, or else until the test ends. Requests that are inside then have a minute.
func Run(t testing.TB, f Front) (end func(), err error) {
	if err := f.Start(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx) }()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		limit, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := f.Drain(limit); err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
	t.Cleanup(end)
	return end, nil
}
