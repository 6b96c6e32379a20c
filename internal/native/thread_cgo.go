//go:build unix && cgo

package native

// #include "native.h"
import "C"

import (
	"fmt"
	"runtime/cgo"
	"syscall"
)

// Thread is an OS thread of ours: what runs on it always runs there, on a stack of the size asked for.
type Thread struct {
	handle cgo.Handle
	id     C.uintptr_t
}

// StartThread runs f on a new OS thread whose stack has the given number of bytes; 0 is the system's default. The caller
// must call Join.
func StartThread(stack int, f func()) (*Thread, error) {
	t := &Thread{handle: cgo.NewHandle(f)}
	if errno := C.isapid_thread(C.uintptr_t(t.handle), C.uintptr_t(stack), &t.id); errno != 0 {
		t.handle.Delete()
		return nil, fmt.Errorf("start a thread with %d bytes of stack: %w", stack, syscall.Errno(errno))
	}
	return t, nil
}

// Join waits until f has returned and the thread is gone.
func (t *Thread) Join() {
	C.isapid_thread_join(t.id)
	t.handle.Delete()
}

// LibraryThread is a thread that a library made.
type LibraryThread struct {
	ID    int    // as the system tells it; 0: it has not begun
	Image uint64 // the number of the image that was being called when it was made; 0: not known
	Start Frame  // the function it began with
}

// LibraryThreads are the threads that libraries have made and that have not ended, a thousand at most.
func LibraryThreads() []LibraryThread {
	list := make([]C.struct_isapid_library_thread, 1024)
	n := min(int(C.isapid_library_threads(&list[0], C.int(len(list)))), len(list))
	var threads []LibraryThread
	for _, t := range list[:n] {
		th := LibraryThread{ID: int(t.tid), Image: uint64(t.image)}
		if frames := callers.symbolize([]uintptr{uintptr(t.start)}); len(frames) > 0 {
			th.Start = frames[0]
		}
		threads = append(threads, th)
	}
	return threads
}
