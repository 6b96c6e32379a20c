//go:build unix && cgo

package native

// #include "native.h"
import "C"

import (
	"errors"
	"runtime/cgo"
	"slices"
	"sync"
	"unsafe"

	"github.com/isapid/isapid/internal/trace"
)

// UseBoard has the board (see [trace.ReadBoard]) be in mem from now on, [trace.BoardSize] zero bytes that are no memory of Go's and stay
// for the life of the process. It comes before the first call of an image; without it the board is in memory of its own.
func UseBoard(mem []byte) error {
	if len(mem) < trace.BoardSize || uintptr(unsafe.Pointer(&mem[0]))%pageSize != 0 {
		return errors.New("memory that is no place for a board")
	}
	if C.isapid_board_use(C.uintptr_t(uintptr(unsafe.Pointer(&mem[0])))) != 0 {
		return errors.New("images have been called already")
	}
	return nil
}

func init() { trace.ThreadsBy(func() int32 { return int32(C.isapid_tid()) }) } // a third of the price of asking the system

// Board is a copy of the board, for [trace.ReadBoard].
func Board() []byte {
	b := unsafe.Slice((*byte)(ptr(uintptr(C.isapid_board()))), trace.BoardSize)
	return slices.Clone(b[:trace.BoardPart(b)])
}

// boardLayout is the layout that C has, in the order of [trace.BoardLayout].
func boardLayout() []uint32 {
	at := make([]uint32, C.BOARD_LAYOUT)
	C.isapid_board_layout((*C.uint32_t)(&at[0]))
	return at
}

// mark is what calls are about that name a control block or a filter context; C reads it.
type mark struct{ request, image uint64 }

// set is two plain stores: who reads meanwhile may read the one before.
func (m *mark) set(request, image uint64) { m.request, m.image = request, image }

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
