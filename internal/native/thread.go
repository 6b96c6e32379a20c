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
