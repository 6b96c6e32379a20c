package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/isapid/isapid/internal/front"
)

// drainLimit is how long running requests may take after the first signal (IIS: shutdownTimeLimit).
const drainLimit = 90 * time.Second

// abandonAfter is how long the end may take once nobody waits for requests any more: enough to close what can be closed, while
// an extension that never returns keeps nobody.
const abandonAfter = time.Second

// live serves f from its start to its end: the first signal drains, the second ends at once.
func live(f *front.Front, say *reporter) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	collectLess()
	if err := f.Start(); err != nil {
		return startError(err)
	}
	say.serving(f)

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx) }()
	var err error
	select {
	case err = <-served: // a listener failed
	case <-signals:
		stop()
		err = <-served
	}
	say.draining(f)
	err = errors.Join(err, drain(f, signals))
	say.stopped(f)
	return err
}

// drain waits for the running requests and closes the extensions, until the limit is over or another signal comes.
func drain(f *front.Front, signals <-chan os.Signal) error {
	ctx, abandon := context.WithTimeout(context.Background(), drainLimit)
	defer abandon()
	drained := make(chan error, 1)
	go func() { drained <- f.Drain(ctx) }()
	select {
	case err := <-drained:
		return err
	case <-signals:
		abandon()
	case <-ctx.Done():
	}
	select {
	case err := <-drained:
		if err == nil {
			return nil
		}
		return fmt.Errorf("%w: %w", errInterrupted, err)
	case <-time.After(abandonAfter):
		return errInterrupted
	}
}

// startError gives the error of a front that did not start its exit code. Where several things are wrong, the first kind decides.
func startError(err error) error {
	switch {
	case isA[*front.LoadError](err):
		return imageError{err}
	case isA[*front.ListenError](err):
		return listenError{err}
	}
	return configError{err} // the access log
}
