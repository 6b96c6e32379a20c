//go:build unix && cgo

package native

// #include "native.h"
import "C"

import (
	"runtime/cgo"
	"sync"
	"unsafe"

	"github.com/isapid/isapid/internal/trace"
)

func useBoard(mem uintptr) bool { return C.isapid_board_use(C.uintptr_t(mem)) == 0 }

func init() { trace.ThreadsBy(func() int32 { return int32(C.isapid_tid()) }) } // a third of the price of asking the system

func boardAt() uintptr { return uintptr(C.isapid_board()) }

// callingImage is the number of the image whose code made the callback that this thread is in; 0 if it is not known.
func callingImage() uint64 { return uint64(C.isapid_board_image()) }

// boardLayout is the layout that C has, in the order of [trace.BoardLayout].
func boardLayout() []uint32 {
	at := make([]uint32, C.BOARD_LAYOUT)
	C.isapid_board_layout((*C.uint32_t)(&at[0]))
	return at
}

var tellingCells sync.Mutex // one table at a time

// tellCells has C know the marks of a slab. When there are too many slabs, calls are about nothing known.
func tellCells(base uintptr, size int, marks unsafe.Pointer) {
	tellingCells.Lock()
	defer tellingCells.Unlock()
	C.isapid_board_cells(C.uintptr_t(base), C.uintptr_t(size), C.uintptr_t(uintptr(marks)))
}

// AtCaller is for a callback that found something: f gets the native stack of the code that called, innermost first, once the callback
// is back in C and before it returns there. It must be called on the goroutine of the callback. f must not keep the slice. The first
// stack from a place costs milliseconds, others from there microseconds.
func AtCaller(f func(stack []Frame)) {
	t := &told{f: f}
	t.before = C.isapid_at_caller(C.uintptr_t(cgo.NewHandle(t)))
}

// told is who gets a stack, and who was before in the same callback.
type told struct {
	f      func([]Frame)
	before C.uintptr_t
}

//export isapidAtCaller
func isapidAtCaller(found C.uintptr_t, frames unsafe.Pointer, n C.int) {
	stack := callers.symbolize(unsafe.Slice((*uintptr)(frames), int(n)))
	for found != 0 {
		h := cgo.Handle(found)
		t := h.Value().(*told)
		h.Delete()
		t.f(stack)
		found = t.before
	}
}
