//go:build unix && cgo

package native

// #include "native.h"
import "C"

import (
	"sync/atomic"

	"github.com/isapid/isapid/internal/trace"
)

var onMisuse atomic.Pointer[func(Misuse)]

// OnMisuse has f told of each [Misuse] in the process, inside the callback, where it may call [AtCaller]; nil: nobody is. f must not
// block.
func OnMisuse(f func(Misuse)) {
	if f == nil {
		onMisuse.Store(nil)
		return
	}
	onMisuse.Store(&f)
}

// misused tells of a callback whose cell was not let in. m is the mark of the cell, nil if it never was one.
func misused(f trace.Func, code uint32, m *mark) {
	tell := onMisuse.Load()
	if tell == nil {
		return
	}
	u := Misuse{Func: f, Code: code}
	if m != nil {
		u.Request, u.Image = atomic.LoadUint64(&m.request), atomic.LoadUint64(&m.image)
		u.Ended = true
	} else {
		u.Image = uint64(C.isapid_board_image())
	}
	(*tell)(u)
}
