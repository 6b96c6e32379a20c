package native

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/windows"
)

// foreignFault is an exception of a thread that an image has made, as the filter of assembly keeps it. The thread sleeps for good, so that
// its stack can still be looked at.
type foreignFault struct {
	state     uint32 // foreignFree …
	thread    int32
	low, high uintptr // of its stack
	record    exceptionRecord
	context   context
}

const (
	foreignFree = 0 // or has been read
	_           = 1 // being written
	foreignTold = 2
)

// The filter knows where fields are.
var _ = [1]struct{}{}[unsafe.Offsetof(foreignFault{}.record)-foreignRecord|unsafe.Offsetof(foreignFault{}.context)-foreignContext|
	unsafe.Sizeof(foreignFault{})-foreignSize|unsafe.Sizeof(foreign)-16*foreignSize]

var foreign [16]foreignFault

// What the assembly calls and jumps to.
var (
	filterBefore uintptr // the filter that was there before, which is that of Go's runtime or none
	endInGo      uintptr
	sleepAt      uintptr
)

var (
	setUnhandledExceptionFilter = kernel32.NewProc("SetUnhandledExceptionFilter")
	sleep                       = kernel32.NewProc("Sleep")
)

// filterAddress is that of the filter for what nobody has handled.
func filterAddress() uintptr

// watchExceptions puts the filter in place.
func watchExceptions() {
	endInGo = windows.NewCallback(endProcess)
	sleepAt = sleep.Addr()
	filterBefore, _, _ = setUnhandledExceptionFilter.Call(filterAddress())
	watchStacks()
}

// filterAgain takes the place of the filter back, which an image may have taken when it was loaded.
func filterAgain() { _, _, _ = setUnhandledExceptionFilter.Call(filterAddress()) }

// exceptionPointers is EXCEPTION_POINTERS.
type exceptionPointers struct {
	record  *exceptionRecord
	context *context
}

// endProcess ends a process that cannot go on, with a line that says why and the exception's code as that of the process.
func endProcess(p *exceptionPointers) uintptr {
	endBecause(p.record)
	return 0
}

var ending sync.Mutex // never unlocked: one thread tells

func endBecause(r *exceptionRecord) {
	ending.Lock()
	e := exception{record: *r, stack: []uintptr{r.address}}
	fmt.Fprintf(os.Stderr, "isapid: the process ends: %v, thread %d\n", e.describe(), threadID())
	_ = windows.TerminateProcess(windows.CurrentProcess(), r.code)
}

// ForeignFaults returns the next fault of a thread that an extension made, or nil. There is one to be had at most once a
// fault; faults that happen before an earlier one was taken park their thread untold.
func ForeignFaults() *Fault {
	for i := range foreign {
		f := &foreign[i]
		if atomic.LoadUint32(&f.state) != foreignTold {
			continue
		}
		e := exception{record: f.record}
		e.look(&f.context, f.low, f.high)
		atomic.StoreUint32(&f.state, foreignFree)
		fault := e.describe()
		fault.Foreign = true
		return fault
	}
	return nil
}
