package extension

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// own runs requests on OS threads made for this extension alone. The first one also runs DLL_PROCESS_ATTACH,
// GetExtensionVersion, TerminateExtension and DLL_PROCESS_DETACH, so that with one thread every line of the extension runs
// on that thread. The others are told to DllMain by DLL_THREAD_ATTACH and DLL_THREAD_DETACH; the first is not, as on
// Windows: the notices of the process are its own, and an extension that frees something of the thread in both would
// free it twice.
type own struct {
	e      *Extension
	work   chan func()
	urgent chan func() // completions
	queue  queue
	quit   chan struct{}
	first  *native.Thread
	others []*native.Thread
	last   chan func() // what the first thread runs when all others are gone

	mu      sync.Mutex // guards reserve
	reserve *native.Thread
}

func newOwn(e *Extension, start func() error) (*own, error) {
	o := &own{
		e: e, work: make(chan func()), urgent: make(chan func()), quit: make(chan struct{}), last: make(chan func()),
		queue: queue{limit: int64(e.opt.Queue), wait: e.opt.QueueWait},
	}
	started := make(chan error)
	var err error
	o.first, err = native.StartThread(e.opt.Stack, func() {
		defer o.enlist()()
		err := start()
		started <- err
		if err == nil {
			o.serve()
			(<-o.last)()
		}
	})
	if err != nil {
		return nil, err
	}
	if err = <-started; err != nil {
		o.first.Join()
		return nil, err
	}
	for len(o.others) < e.opt.Threads-1 {
		t, err := native.StartThread(e.opt.Stack, o.other)
		if err != nil {
			terminate := func() error { return errors.Join(e.closeFilter(), e.terminate()) }
			return nil, errors.Join(fmt.Errorf("thread %d of %d: %w", len(o.others)+2, e.opt.Threads, err), o.stop(terminate, e.detach))
		}
		o.others = append(o.others, t)
	}
	return o, nil
}

// other is the life of every thread but the first.
func (o *own) other() {
	defer o.enlist()()
	o.tell(isapi.DLLThreadAttach)
	o.serve()
	o.tell(isapi.DLLThreadDetach)
}

// serve runs what there is to do until the end. Completions come first: requests that are inside may wait for them.
func (o *own) serve() {
	for {
		select {
		case f := <-o.urgent:
			f()
			continue
		default:
		}
		select {
		case f := <-o.urgent:
			f()
		case f := <-o.work:
			f()
		case <-o.quit:
			return
		}
	}
}

func (o *own) tell(reason uint32) {
	if o.e.exports.dllMain == 0 {
		return
	}
	if _, err := o.e.dllMain(reason); err != nil {
		o.e.fault(fmt.Errorf("DllMain, thread notice %d: %w", reason, err), nil)
	}
}

func (o *own) run(ctx context.Context, j job) error {
	done := make(chan struct{})
	work := func() { defer close(done); j.runProc() }
	select {
	case o.work <- work:
	default:
		if err := wait(ctx, &o.queue, o.work, work); err != nil {
			return err
		}
	}
	<-done
	return nil
}

func (o *own) complete(f func()) {
	done := make(chan struct{})
	job := func() { defer close(done); f() }
	select {
	case o.urgent <- job:
	default:
		o.addReserve()
		o.urgent <- job
	}
	<-done
}

// enlisted are the own threads of all images in this process: an *own by the id of a thread.
var enlisted sync.Map

// enlist notes that this thread is one of its own; what it returns undoes that.
func (o *own) enlist() (dismiss func()) {
	id := threadID()
	enlisted.Store(id, o)
	return func() { enlisted.Delete(id) }
}

// visit runs a call of the filter half. Which thread it is does not matter, except where there is only one: the image was told of all
// of them. A thread of another image that waits here goes on with what comes for that meanwhile, because two images with one thread
// each may be in each other's requests and would wait for each other for ever.
func (o *own) visit(f func()) {
	of, _ := enlisted.Load(threadID())
	here, _ := of.(*own)
	if here == o {
		f()
		return
	}
	done := make(chan struct{})
	job := func() { defer close(done); f() }
	urgent := o.urgent
	select {
	case urgent <- job:
		urgent = nil
	default:
		o.addReserve()
	}
	var meanwhile chan func()
	if here != nil {
		meanwhile = here.urgent
	}
	for {
		select {
		case urgent <- job:
			urgent = nil
		case other := <-meanwhile:
			other()
		case <-done:
			return
		}
	}
}

// addReserve makes one more thread, for completions and visits alone, when all others are inside the extension: they may be waiting for
// them. Where the one thread is all there must be, a request that waits for its own completion waits for ever.
func (o *own) addReserve() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reserve != nil || o.e.opt.Threads == 1 {
		return
	}
	t, err := native.StartThread(o.e.opt.Stack, func() {
		defer o.enlist()()
		o.tell(isapi.DLLThreadAttach)
		defer o.tell(isapi.DLLThreadDetach)
		for {
			select {
			case f := <-o.urgent:
				f()
			case <-o.quit:
				return
			}
		}
	})
	if err != nil {
		o.e.log.Warn("completions wait for a thread: no reserve can be made", "error", err)
		return
	}
	o.reserve = t
}

func (o *own) stop(terminate, detach func() error) error {
	var errs []error
	ended := make(chan struct{})
	terminated := make(chan struct{})
	// TerminateExtension needs a thread that is still attached.
	o.work <- func() { defer close(terminated); errs = append(errs, terminate()) }
	<-terminated
	close(o.quit)
	for _, t := range o.others {
		t.Join()
	}
	if o.reserve != nil { // no request runs any more, so nobody makes one now
		o.reserve.Join()
	}
	o.last <- func() { defer close(ended); errs = append(errs, detach()) }
	<-ended
	o.first.Join()
	return errors.Join(errs...)
}

func (o *own) describe() string { return fmt.Sprintf("%d of its own", len(o.others)+1) }
