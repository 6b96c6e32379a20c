//go:build windows || (unix && cgo)

package native

import (
	"sync/atomic"

	"github.com/isapid/isapid/internal/isapi"
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

// misused tells of a callback that fails. m is the mark of the cell that it named, nil if it is none.
func misused(kind int, f trace.Func, code uint32, m *mark) {
	tell := onMisuse.Load()
	if tell == nil {
		return
	}
	u := Misuse{Kind: kind, Func: f, Code: code}
	if m != nil {
		u.Request, u.Image = m.request, m.image
	} else {
		u.Image = callingImage()
	}
	(*tell)(u)
}

// answer is what a callback returns, in which a pointer may have been bad.
func answer(err isapi.Error, f trace.Func, code uint32, m *mark) uint64 {
	if err == errFault {
		misused(BadPointer, f, code, m)
		err = isapi.InvalidParameter
	}
	return result(err)
}
