package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/trace"
)

// Obituary is how a worker ended.
type Obituary struct {
	Name   string
	Pid    int
	Exit   proc.Exit
	Reason string // what we know besides: "it broke the protocol: …"; "" if nothing
	Age    time.Duration
	Served int64
	Lost   int64  // requests that were inside
	Output string // the last lines it wrote, at most 4 KiB
	Logged string // the last lines of its log, likewise

	Generation int                 // the highest of its images
	Images     []ImageInfo         // those it had
	Requests   []Inside            // those that were inside, at most 100
	Hung       []Inside            // those that were answered for it, because it took too long; at most 100
	Fault      *executor.FaultInfo // the last one that was contained; nil: there was none
	Board      *trace.Board        // what its threads did last; nil: that cannot be known
	Memory     proc.Memory         // when somebody last looked

	stopped bool
}

// Error says it in one sentence.
func (o *Obituary) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "worker %s (pid %d) ended after %v: %v", o.Name, o.Pid, o.Age.Round(time.Millisecond), o.Exit)
	if o.Reason != "" {
		fmt.Fprintf(&b, "; %s", o.Reason)
	}
	if o.Lost > 0 {
		fmt.Fprintf(&b, "; %d requests were inside", o.Lost)
	}
	return b.String()
}

// Expected: it was asked to stop, and ended by itself.
func (o *Obituary) Expected() bool { return o.stopped && o.Exit.Code == 0 && o.Exit.Signal == 0 }

// watch sees the worker to its end. A link that is over ends the process, and the end of the process the link.
func (w *Worker) watch() {
	defer close(w.gone)
	over := make(chan error, 1)
	go func() { over <- w.link.Run() }()
	var why error
	select {
	case why = <-over:
		w.endProcess(why)
	case <-w.process.Done():
		w.link.Expire() // what it sent before its end counts
		why = <-over
	}
	w.bury(why)
	if w.board != nil {
		w.board.Close()
	}
	_ = w.staging.remove() // what is left goes with the next process
	w.mu.Lock()
	announced := w.announcing // never changes again: it has ended
	w.mu.Unlock()
	if announced {
		if <-w.announced; w.s.Ended != nil {
			w.s.Ended(w)
		}
	}
}

// goodbye is how long a worker whose stream has ended may take to end by itself.
const goodbye = 5 * time.Second

func (w *Worker) endProcess(why error) {
	w.mu.Lock()
	disowned := w.disowned
	w.mu.Unlock()
	if disowned {
		<-w.process.Done()
		return
	}
	if errors.Is(why, io.EOF) || w.wasStopped() {
		select { // it closed the stream, most likely because it ends: then its own exit status tells more
		case <-w.process.Done():
			return
		case <-time.After(goodbye):
		}
	}
	_ = w.process.Kill()
	<-w.process.Done()
}

func (w *Worker) wasStopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

func (w *Worker) bury(why error) {
	_ = w.process.Kill() // what it left behind in its process group
	board, hasBoard := w.readBoard()
	w.mu.Lock()
	defer w.mu.Unlock()
	o := &Obituary{
		Name: w.s.Name, Pid: w.process.Pid(), Exit: w.process.Exit(), Reason: w.killed, Age: time.Since(w.started),
		Served: w.served.Load(), Lost: int64(w.runs.n) + w.lost.Load(), Output: w.output.String(), stopped: w.stopped,
	}
	if o.Reason == "" && !errors.Is(why, io.EOF) && !w.stopped && o.Exit.Signal == 0 && o.Exit.Code <= 0 || isProtocol(why) && w.killed == "" {
		o.Reason = why.Error()
	}
	if o.Reason == "" {
		o.Reason = w.output.gaveUp(o.Exit.Code)
	}
	o.Logged, o.Fault, o.Memory = w.logged.String(), w.fault, w.memory
	if hasBoard {
		o.Board = &board
	}
	o.Requests, o.Hung = slices.Clone(w.lostRuns), slices.Clone(w.hungRuns) // more may be added to ours
	for r := range w.runs.all() {
		if len(o.Requests) < maxInside {
			o.Requests = append(o.Requests, r.inside())
		}
	}
	for _, i := range w.images {
		o.Images = append(o.Images, i.info())
		o.Generation = max(o.Generation, i.opt.Generation)
	}
	slices.SortFunc(o.Images, func(a, b ImageInfo) int { return cmp.Compare(a.Number, b.Number) })
	w.obit = o
}

// maxInside is how many requests an obituary tells of.
const maxInside = 100

// exitGo is the exit code of a Go program that panics, or whose runtime gives up.
const exitGo = 2

// over waits until nothing of the worker is to be expected any more. It returns nil for one that was disowned and lives on.
func (w *Worker) over() *Obituary {
	select {
	case <-w.gone:
		return w.obit
	case <-w.givenUp:
		return nil
	}
}

// Obituary is how the worker ended. It is to be called after Gone only.
func (w *Worker) Obituary() *Obituary { return w.obit }

// Kill ends the process at once, with all it started. The obituary gives the reason.
func (w *Worker) Kill(reason string) {
	w.mu.Lock()
	if w.killed == "" {
		w.killed = "killed: " + reason
	}
	w.mu.Unlock()
	_ = w.process.Kill()
}

// Signal sends s to the process, unless that has ended.
func (w *Worker) Signal(s syscall.Signal) error { return w.process.Signal(s) }

// Stop refuses new requests, waits for those inside, has the images unloaded and the process end. When ctx ends before that
// it is killed, and the error says what it was busy with.
func (w *Worker) Stop(ctx context.Context) error {
	w.mu.Lock()
	images := make([]*Image, 0, len(w.images))
	for _, i := range w.images {
		images = append(images, i)
	}
	w.mu.Unlock()
	var all sync.WaitGroup
	errs := make([]error, len(images))
	for n, i := range images {
		all.Go(func() {
			if err := i.Close(ctx); !errors.Is(err, executor.ErrClosed) { // else somebody else has closed it, and was told
				errs[n] = err
			}
		})
	}
	all.Wait()
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	if ctx.Err() != nil {
		blockers := w.Blockers()
		w.Kill("it did not stop in time")
		<-w.gone
		if len(blockers) > 0 {
			errs = append(errs, fmt.Errorf("worker %s was killed: it did not stop in time, because of %s", w.s.Name, strings.Join(blockers, ", ")))
		}
		return errors.Join(errs...)
	}
	w.link.Close(nil)
	<-w.gone
	return errors.Join(errs...)
}

// Blockers are the requests that are inside, with their ages and clients: who keeps a worker from stopping.
func (w *Worker) Blockers() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs.all() {
		if len(list) == 10 {
			return append(list, "…")
		}
		list = append(list, fmt.Sprintf("%s %s (for %v, from %s)", r.method, r.url, time.Since(r.since).Round(time.Millisecond), r.client))
	}
	return list
}

// Disown lets go of a worker that is sick, without ending it: a debugger may look at it. What it runs is lost, as if it had died.
// Gone is closed when the process ends.
func (w *Worker) Disown(reason string) {
	w.mu.Lock()
	if !w.disowned {
		w.disowned, w.killed = true, "disowned: "+reason
		close(w.givenUp)
	}
	w.mu.Unlock()
	w.link.Close(io.EOF)
}
