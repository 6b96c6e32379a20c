package native

import (
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/isapid/isapid/internal/isapi"
)

// faultsPanic makes faults of this goroutine panics that can be recovered; the function it returns undoes it.
func faultsPanic() func() {
	if debug.SetPanicOnFault(true) {
		return func() {}
	}
	return func() { debug.SetPanicOnFault(false) }
}

// errFault is what catch makes of a bad foreign pointer: ERROR_INVALID_PARAMETER, to be told from others.
const errFault = isapi.InvalidParameter | 1<<31

// catch turns the panic of a bad foreign pointer into errFault. Any other panic is a defect of ours: it is logged with
// its stack and fails the call too, because a Go panic must not unwind into C.
func catch(err *isapi.Error) {
	switch p := recover().(type) {
	case nil:
	case interface{ Addr() uintptr }: // runtime's error for a fault with an address
		*err = errFault
	default:
		*err = errFault
		if e, _ := p.(error); !errors.Is(e, errPointer) {
			*err = isapi.InvalidParameter
			slog.Error("defect of isapid in a callback; the call fails", "panic", p, "stack", string(debug.Stack()))
		}
	}
}
