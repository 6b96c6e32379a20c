//go:build windows || (unix && cgo)

package native

import (
	"runtime"
	"sync"
)

// loader is the one OS thread that talks to the dynamic loader while any image is loaded. The loader's lock is held while
// constructors run and is recursive: after a fault in one, only the thread that had it can go on loading. A poisoned
// loader thread therefore never ends.
var loader loaderThread

type loaderThread struct {
	mu       sync.Mutex // guards all below
	work     chan func()
	gone     chan struct{}
	held     int
	poisoned bool
}

// do runs f on the loader's thread and waits for it.
func (t *loaderThread) do(f func()) {
	t.hold()
	defer t.release()
	done := make(chan struct{})
	t.work <- func() { defer close(done); f() }
	<-done
}

// hold keeps the thread alive until release.
func (t *loaderThread) hold() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held++
	if t.work == nil {
		t.work, t.gone = make(chan func()), make(chan struct{})
		go run(t.work, t.gone)
	}
}

func run(work <-chan func(), gone chan<- struct{}) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	defer close(gone)
	for f := range work {
		f()
	}
}

func (t *loaderThread) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held--
	if t.held == 0 && !t.poisoned {
		close(t.work)
		<-t.gone
		t.work = nil
	}
}

// poison is called on the loader's own thread after a fault inside the loader.
func (t *loaderThread) poison() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.poisoned = true
}
