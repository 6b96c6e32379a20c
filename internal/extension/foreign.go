package extension

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/native"
)

// liveRequests are those inside an extension, for a fault on one of the extension's own threads: nobody can tell which
// request that thread was working for, so every one that is PENDING is answered.
type liveRequests struct {
	faults atomic.Int64 // so far; changed with mu held

	mu   sync.Mutex // guards all below
	set  map[*request]struct{}
	last error // of the last fault
}

// add has q answered when there is a fault, also if there was one since the extension got it: faults was since then.
func (rs *liveRequests) add(q *request, since int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.set == nil {
		rs.set = map[*request]struct{}{}
	}
	rs.set[q] = struct{}{}
	if rs.faults.Load() != since {
		q.giveUp(rs.last)
	}
}

func (rs *liveRequests) remove(q *request) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.set, q)
}

func (rs *liveRequests) fail(err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.last = err
	rs.faults.Add(1)
	for q := range rs.set {
		q.giveUp(err)
	}
}

// foreignWatch is one goroutine that looks for faults on threads no call is on; it runs while any extension is loaded.
var foreignWatch struct {
	mu     sync.Mutex // guards all below
	all    map[*Extension]struct{}
	former []former // the last that were unloaded
	quit   chan struct{}
	gone   chan struct{}
}

// former is an extension that is loaded no more. It may have left threads behind.
type former struct {
	image string // staged
	log   *slog.Logger
}

const maxFormer = 64

// leftBehind remembers an extension whose image was unloaded.
func leftBehind(e *Extension) {
	w := &foreignWatch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.former = append(w.former[max(0, len(w.former)+1-maxFormer):], former{e.staged.Path, e.log})
}

const foreignWatchEvery = 50 * time.Millisecond

func watchForeignFaults(e *Extension) (stop func()) {
	w := &foreignWatch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*Extension]struct{}{}
	}
	w.all[e] = struct{}{}
	if len(w.all) == 1 {
		w.quit, w.gone = make(chan struct{}), make(chan struct{})
		go watchFaults(w.quit, w.gone)
	}
	return func() { stopWatching(e) }
}

func stopWatching(e *Extension) {
	leftBehind(e)
	w := &foreignWatch
	w.mu.Lock()
	delete(w.all, e)
	last, quit, gone := len(w.all) == 0, w.quit, w.gone
	w.mu.Unlock()
	if last {
		close(quit)
		<-gone
	}
}

func watchFaults(quit <-chan struct{}, gone chan<- struct{}) {
	defer close(gone)
	t := time.NewTicker(foreignWatchEvery)
	defer t.Stop()
	for {
		select {
		case <-quit:
			return
		case <-t.C:
			for f := native.ForeignFaults(); f != nil; f = native.ForeignFaults() {
				reportForeign(f)
			}
		}
	}
}

// reportForeign blames the extension whose image is on the stack; all of them if none can be told, nor one that is no
// longer loaded.
func reportForeign(f *native.Fault) {
	w := &foreignWatch
	w.mu.Lock()
	var blamed []*Extension
	ran := func(image string) bool {
		return slices.ContainsFunc(f.Stack, func(fr native.Frame) bool { return fr.Image == image })
	}
	for e := range w.all {
		if ran(e.staged.Path) {
			blamed = append(blamed, e)
		}
	}
	if blamed == nil {
		for _, gone := range w.former {
			if ran(gone.image) {
				w.mu.Unlock()
				gone.log.Error("fault contained; the extension was unloaded and had left this thread behind", "error", f, "stack", f.StackText())
				return
			}
		}
		for e := range w.all {
			blamed = append(blamed, e)
		}
	}
	w.mu.Unlock()
	for _, e := range blamed {
		err := e.fault(fmt.Errorf("thread of the extension: %w", f), nil)
		e.live.fail(err)
	}
}
