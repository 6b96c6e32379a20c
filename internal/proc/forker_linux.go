package proc

import (
	"runtime"
	"sync"
)

// forks starts all children of this program.
var forks forker

// forker runs functions on one thread of the operating system, which lives from the first acquire to the last release: the
// kernel kills a child when the thread that started it ends, and Go ends threads as it likes.
type forker struct {
	mu    sync.Mutex
	users int
	calls chan func()
	ended chan struct{}
}

// acquire keeps the thread until release. Every child has one.
func (f *forker) acquire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users++; f.users > 1 {
		return
	}
	f.calls, f.ended = make(chan func()), make(chan struct{})
	go run(f.calls, f.ended)
}

func (f *forker) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users == 0 {
		close(f.calls)
		<-f.ended
	}
}

// do runs call on the thread and returns when that is done. Its caller has called acquire.
func (f *forker) do(call func()) {
	f.mu.Lock()
	calls := f.calls
	f.mu.Unlock()
	done := make(chan struct{})
	calls <- func() { defer close(done); call() }
	<-done
}

func run(calls <-chan func(), ended chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(ended)
	for call := range calls {
		call()
	}
}
