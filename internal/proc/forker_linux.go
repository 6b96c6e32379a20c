package proc

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// forks starts the children of this program; strictForks those that gain no rights.
var forks, strictForks = forker{prepare: func() error { return nil }}, forker{prepare: gainNothing, spoilt: true}

// forker runs functions on one thread of the operating system, which lives from the first acquire to the last release: the
// kernel kills a child when the thread that started it ends, and Go ends threads as it likes.
type forker struct {
	prepare func() error // is called on the thread before anything else
	spoilt  bool         // the thread is fit for nothing else afterwards

	mu    sync.Mutex
	err   error // of prepare
	users int
	calls chan func()
	ended chan struct{}
}

// acquire keeps the thread until release. Every child has one. An error means that the thread is not what it should be.
func (f *forker) acquire() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users++; f.users > 1 {
		return f.err
	}
	f.calls, f.ended = make(chan func()), make(chan struct{})
	prepared := make(chan error)
	go f.run(f.calls, f.ended, prepared)
	f.err = <-prepared
	return f.err
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

func (f *forker) run(calls <-chan func(), ended chan<- struct{}, prepared chan<- error) {
	runtime.LockOSThread()
	if !f.spoilt { // else Go ends the thread with the goroutine
		defer runtime.UnlockOSThread()
	}
	defer close(ended)
	prepared <- f.prepare()
	for call := range calls {
		call()
	}
}

// gainNothing keeps this thread, and what it starts, from gaining rights by running a program.
func gainNothing() error {
	return os.NewSyscallError("prctl(PR_SET_NO_NEW_PRIVS)", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}
