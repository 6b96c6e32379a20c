// Package extension is the in-process executor: a loaded extension, its life cycle, one request through it, and every
// ServerSupportFunction. The order in which to read it:
//
//	extension.go, load.go   life cycle: stage, load, GetExtensionVersion … TerminateExtension, unload
//	filter.go               the filter half of an image, which package filter runs
//	threads.go, own.go      on which thread its code runs
//	execute.go, request.go  one request, from the control block to the last byte
//	body.go                 ReadClient; WriteClient is in package reply, GetServerVariable in package variables
//	support*.go, vector.go, transmit.go, exec.go    ServerSupportFunction
//	async.go, foreign.go    operations that go on after the call; threads that the image made
//	gate.go, drain.go       who is inside; what a request leaves of its body
//	watch.go, faultinfo.go  what it did wrong
//	traced*.go              what those see who listen to its calls
//
// What an extension does wrong costs its own request and is logged with its image; it is never a panic here.
package extension

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/misuse"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/reply"
	"github.com/isapid/isapid/internal/taps"
	"github.com/isapid/isapid/internal/trace"
)

// Extension is a loaded extension, an [executor.Executor].
type Extension struct {
	name     string
	opt      executor.Options
	log      *slog.Logger
	image    *trace.Image // as events name it
	staged   *image.Staged
	watch    *misuse.Watch // nil: nobody wants to know
	counters counters
	lib      *native.Library
	exports  exports
	filter   *filter.Filter // nil: it was not asked for
	desc     string
	unique   []string // symbols it was the first to have
	stuck    bool     // set before ended is closed
	isGo     bool     // built by Go
	threads  threads
	gate     gate // counts requests; closed when the extension is

	ending sync.Once
	ended  chan struct{} // closed when it is unloaded
	endErr error         // of that; set before ended is closed
	closed atomic.Bool   // somebody was told so

	flusher *reply.Flusher

	faults    atomic.Int64
	unhealthy atomic.Pointer[string]
	live      liveRequests // those whose fault may have happened on a foreign thread
	stopWatch func()
}

// Open stages the image, loads the copy, runs DllMain (if exported), GetFilterVersion (with o.Filter) and GetExtensionVersion, which
// an image that is to be a filter need not have. An error says at which step it failed and leaves nothing behind. The caller must call
// Close.
func Open(path string, o executor.Options) (*Extension, error) {
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	o = o.WithDefaults()
	e := &Extension{name: o.Name, opt: o, log: o.Logger.With("image", o.Name), ended: make(chan struct{})}
	e.image = &trace.Image{Number: o.ImageID, Path: cmp.Or(o.Known, path), Pool: o.Pool}
	if err := e.load(path); err != nil {
		if e.lib != nil {
			leftBehind(e)
		}
		return nil, fmt.Errorf("load extension %q: %w", path, err)
	}
	e.flusher = reply.NewFlusher(e.opt.Flush)
	e.stopWatch = watchForeignFaults(e)
	if lost := native.GuardLost(); lost != nil {
		e.log.Warn("faults of these signals are no longer contained: an image put handlers of its own on them; run it in a process of its own", "signals", lost)
	}
	if !e.FilterOnly() {
		e.log.Info("extension loaded", "file", path, "description", e.desc, "sha256", e.staged.SHA256, "threads", e.threads.describe())
	}
	if f := e.filter; f != nil {
		e.log.Info("filter loaded", "file", path, "description", f.Description(), "sha256", e.staged.SHA256, "threads", e.threads.describe(),
			"priority", f.PriorityName(), "notifications", f.Notifications())
	}
	return e, nil
}

// Description is the text the extension gave in HSE_VERSION_INFO; the filter in HTTP_FILTER_VERSION, where there is no extension.
func (e *Extension) Description() string { return e.desc }

// Version is what it runs. File is its private copy, which is there until it is unloaded.
func (e *Extension) Version() executor.Version {
	return executor.Version{File: e.staged.Path, SHA256: e.staged.SHA256, Size: e.staged.Size, BuildID: e.staged.BuildID}
}

// Stuck tells whether it was unloaded and stayed in memory all the same, as unique symbols, thread-local destructors, -z nodelete and
// Go's runtime make it: false before Close has unloaded it.
func (e *Extension) Stuck() bool {
	select {
	case <-e.ended:
		return e.stuck
	default:
		return false
	}
}

// Faults is the number of contained faults so far. After the first the image is suspect.
func (e *Extension) Faults() int64 { return e.faults.Load() }

// Unhealthy is the reason the extension last gave with HSE_REQ_REPORT_UNHEALTHY ("" if it gave none), and whether it did.
func (e *Extension) Unhealthy() (reason string, reported bool) {
	if p := e.unhealthy.Load(); p != nil {
		return *p, true
	}
	return "", false
}

// Close lets running requests end (until ctx does), then calls TerminateFilter, when the filter half was told that all connections
// have ended, and TerminateExtension with HSE_TERM_MUST_UNLOAD, unloads the image and removes its staged copy. When requests still run at the end of ctx the image stays loaded, and the error says
// how many they are; when TerminateExtension does, it goes on in the background. Close may be called again then, to wait
// on. After it has unloaded the image (with or without an error) it answers [executor.ErrClosed].
func (e *Extension) Close(ctx context.Context) error {
	if left := e.gate.close(ctx); left > 0 {
		return fmt.Errorf("extension %q stays loaded: %d requests are still inside it: %w", e.name, left, ctx.Err())
	}
	e.ending.Do(func() {
		go func() {
			defer close(e.ended)
			e.endErr = e.unload()
			e.stopWatch()
		}()
	})
	select {
	case <-e.ended:
	case <-ctx.Done():
		return fmt.Errorf("extension %q stays loaded: its TerminateExtension has not returned: %w", e.name, ctx.Err())
	}
	switch {
	case e.closed.Swap(true):
		return fmt.Errorf("extension %q: %w", e.name, executor.ErrClosed)
	case e.endErr != nil:
		return fmt.Errorf("unload extension %q: %w", e.name, e.endErr)
	}
	return nil
}

// unload ends threads, code and copy, in the reverse order of load.
func (e *Extension) unload() error {
	errs := []error{e.closeFilter(), e.threads.stop(e.terminate, e.detach)}
	if !e.isGo { // Go's runtime has threads that never end, and stays in memory with them
		e.watch.Threads(leaveWithin)
	}
	errs = append(errs, e.close())
	e.watch.Close()
	e.releaseUnique()
	errs = append(errs, e.staged.Remove())
	if e.FilterOnly() {
		e.log.Info("filter unloaded", "left memory", !e.stuck)
	} else {
		e.log.Info("extension unloaded", "left memory", !e.stuck)
	}
	return errors.Join(errs...)
}

// leaveWithin is how long threads of the image may take to end after TerminateExtension, before that is told of.
const leaveWithin = 100 * time.Millisecond

func (e *Extension) terminate() error {
	if e.exports.terminate == 0 || e.FilterOnly() {
		return nil
	}
	c := taps.Enter(e.opt.Tap, e.image, trace.TerminateExtension)
	c.Word("flags", "HSE_TERM_MUST_UNLOAD")
	c.Go()
	ok, err := native.TerminateExtension(e.exports.terminate, isapi.TermMustUnload, e.opt.ImageID)
	taps.Leave(c, ok, 0, err)
	if err != nil {
		return e.fault(fmt.Errorf("TerminateExtension: %w", err), nil)
	}
	return nil
}

// faultOf is the fault that ended a request, nil if it was something else.
func (e *Extension) faultOf(err error, q *request) error {
	var f *native.Fault
	switch {
	case !errors.As(err, &f):
		return nil
	case f.Foreign: // counted when it happened
		return err
	}
	return e.fault(err, q)
}

// fault records a contained fault, with the request it happened in (nil: none).
func (e *Extension) fault(err error, q *request) error {
	n := e.faults.Add(1)
	log, args := e.log, []any{"error", err, "faults", n}
	if q != nil {
		log = q.logger()
		args = append(args, "method", q.r.Method, "url", q.r.URL.RequestURI(), "client", q.r.RemoteAddr)
	}
	var f *native.Fault
	if errors.As(err, &f) {
		args = append(args, "stack", f.StackText())
	}
	log.Error("fault contained; the image is suspect from now on", args...)
	if e.opt.Faulted != nil {
		e.opt.Faulted(err)
	}
	return err
}
