package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/isapid/isapid/internal/front"
)

// drainLimit is how long running requests may take after the first signal (IIS: shutdownTimeLimit).
const drainLimit = 90 * time.Second

// reloadLimit is how long a reload may take that a signal asked for.
const reloadLimit = 2 * time.Minute

// abandonAfter is how long the end may take once nobody waits for requests any more: enough to close what can be closed, while
// an extension that never returns keeps nobody.
const abandonAfter = time.Second

// life is a server from its start to its end.
type life struct {
	front   *front.Front
	say     *reporter
	service *service // nil: there is no configuration file, so there is nobody to listen to but signals
	sink    *logSink

	signals chan os.Signal // end it
	hangups chan os.Signal // have the configuration read again
	reopens chan os.Signal // have log files opened again
	drains  chan struct{}  // has an element when somebody else than a signal wants it to end

	drainLimit time.Duration // how long running requests may take now
}

func newLife(f *front.Front, say *reporter, sink *logSink, reopens chan os.Signal) *life {
	return &life{
		front: f, say: say, sink: sink, signals: make(chan os.Signal, 2), hangups: make(chan os.Signal, 1), reopens: reopens,
		drains: make(chan struct{}, 1), drainLimit: drainLimit,
	}
}

// askToDrain begins the end as the first signal does.
func (l *life) askToDrain() {
	select {
	case l.drains <- struct{}{}:
	default:
	}
}

// live serves until the end: the first signal drains, the second ends at once; SIGHUP reloads, SIGUSR1 opens log files again.
func (l *life) live() error {
	signal.Notify(l.signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(l.signals)
	signal.Notify(l.hangups, syscall.SIGHUP)
	defer signal.Stop(l.hangups)

	collectLess()
	if err := l.front.Start(); err != nil {
		return startError(err)
	}
	if err := l.service.begin(); err != nil {
		return errors.Join(listenError{err}, l.front.Drain(context.Background()))
	}
	l.say.serving(l.front)

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- l.front.Serve(ctx) }()
	l.service.serving()
	var reloading sync.WaitGroup
	reloading.Go(func() { l.reload(ctx) })
	reloading.Go(func() { l.reopen(ctx) })
	var err error
	select {
	case err = <-served: // a listener failed
	case s := <-l.signals:
		l.drainLimit = min(l.drainLimit, drainLimitAfter(s))
		stop()
		err = <-served
	case <-l.drains:
		stop()
		err = <-served
	}
	stop()
	l.service.draining()
	l.say.draining(l.front, l.drainLimit)
	abandoned := l.drain()
	if !errors.Is(abandoned, errInterrupted) {
		reloading.Wait()
	}
	l.service.end()
	l.say.stopped(l.front)
	return errors.Join(err, abandoned)
}

// reload reads the configuration again for each signal, until ctx ends.
func (l *life) reload(ctx context.Context) {
	for {
		select {
		case <-l.hangups:
		case <-ctx.Done():
			return
		}
		if l.service == nil {
			l.say.progress("SIGHUP is ignored: there is no configuration file to read again")
			continue
		}
		limited, cancel := context.WithTimeout(context.Background(), reloadLimit) // ended by the end of the front
		_, _ = l.service.Reload(limited)                                          // the log has it
		cancel()
	}
}

// reopen opens log files again for each signal, until ctx ends.
func (l *life) reopen(ctx context.Context) {
	log := l.sink.logger()
	for {
		select {
		case <-l.reopens:
		case <-ctx.Done():
			return
		}
		if err := l.reopenLogs(); err != nil {
			log.Error("log files are not opened again", "error", err)
		} else {
			log.Info("log files are opened again")
		}
	}
}

// reopenLogs closes the files of the log and of the access log and opens them anew, by name: another program may have moved them away.
func (l *life) reopenLogs() error { return errors.Join(l.sink.reopen(), l.front.Reopen()) }

// drain waits for the running requests and closes the extensions, until the limit is over or another signal comes.
func (l *life) drain() error {
	ctx, abandon := context.WithTimeout(context.Background(), l.drainLimit)
	defer abandon()
	drained := make(chan error, 1)
	go func() { drained <- l.front.Drain(ctx) }()
	select {
	case err := <-drained:
		return err
	case <-l.signals:
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
