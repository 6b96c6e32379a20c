package native

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// The guard of 386 is assembly: a thunk that registers a handler of this image with the thread, as the system asks of handlers.

// Where it finds things in a frame.
var _ = [1]struct{}{}[unsafe.Offsetof(frame{}.n)-4|unsafe.Offsetof(frame{}.args)-8|unsafe.Offsetof(frame{}.ret)-40|unsafe.Offsetof(frame{}.err)-44|
	unsafe.Offsetof(frame{}.kind)-48|unsafe.Offsetof(frame{}.code)-52|unsafe.Offsetof(frame{}.pc)-56|unsafe.Offsetof(frame{}.sp)-60|unsafe.Offsetof(frame{}.quiet)-64|kindBare-2]

var (
	rtlUnwind         = ntdll.NewProc("RtlUnwind")
	rtlUnwindAt       uintptr
	decideInGo        uintptr // decide as foreign code calls it
	thunkAt, thunkEnd uintptr
)

// thunkAddresses is where the code of the thunk begins and ends.
func thunkAddresses() (from, to uintptr)

// makeThunk prepares the guard.
func makeThunk() error {
	if err := rtlUnwind.Find(); err != nil {
		return err
	}
	rtlUnwindAt = rtlUnwind.Addr()
	decideInGo = windows.NewCallback(decide)
	thunkAt, thunkEnd = thunkAddresses()
	return nil
}
