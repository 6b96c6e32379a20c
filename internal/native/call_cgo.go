//go:build unix && cgo

package native

// #include <stdlib.h>
// #include "native.h"
import "C"

import (
	"fmt"
	"sync"
	"syscall"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// The signatures are those of C.
var _ = [1]struct{}{}[C.CALL_PTR-callPointer|C.CALL_U32-callDword|C.CALL_DLLMAIN-callDLLMain|C.CALL_COMPLETION-callCompletion|C.CALL_DLOPEN-callOpen|C.CALL_DLCLOSE-callClose]

// The room for calls of filters is that of C.
var _ = [1]struct{}{}[C.sizeof_struct_isapid_filter_calls-unsafe.Sizeof(FilterCalls{})|C.FILTER_NEXT-isapi.FilterNextNotification]

var installGuard = sync.OnceFunc(func() { C.isapid_guard() })

// call runs fn, what of that image, under the guard. errno is what the call left there. The loader returns even if code it called faulted: then
// there are both ret and err.
func call(what trace.Func, image uint64, signature int, fn uintptr, args ...uintptr) (ret uintptr, errno syscall.Errno, err error) {
	c := (*C.struct_isapid_call)(C.calloc(1, C.sizeof_struct_isapid_call))
	defer C.free(unsafe.Pointer(c))
	c.fn, c.what, c.image = C.uintptr_t(fn), C.uint32_t(what), C.uint64_t(image)
	c.ret = C.uintptr_t(notReturned)
	for i, a := range args {
		c.a[i] = C.uintptr_t(a)
	}
	if C.isapid_call(c, C.int(signature)) != 0 {
		return uintptr(c.ret), 0, newFault(&c.fault)
	}
	return uintptr(c.ret), syscall.Errno(c.err), nil
}

// DllMain calls the export with NULL handles, as Zeus did.
func DllMain(fn uintptr, reason uint32, image uint64) (ok bool, err error) {
	ret, _, err := call(trace.DllMain, image, callDLLMain, fn, 0, uintptr(reason), 0)
	return ret != 0, err
}

// extensionProc is [HTTPExtensionProc] with an address.
func extensionProc(fn, ecb uintptr) (status uint32, err error) {
	r := uint64(C.isapid_proc(C.uintptr_t(fn), C.uintptr_t(ecb)))
	if t := r >> 32; t != 0 {
		return 0, takeFault(C.int(t))
	}
	return uint32(r), nil
}

// filterProc is [HTTPFilterProc] with an address.
func filterProc(fn, context uintptr, notification uint32, pv uintptr) (status uint32, errno isapi.Error, err error) {
	r := C.isapid_filter_proc(C.uintptr_t(fn), C.uintptr_t(context), C.uint32_t(notification), C.uintptr_t(pv))
	if r.ticket != 0 {
		return 0, 0, takeFault(r.ticket)
	}
	return uint32(r.status), isapi.Error(r.err), nil
}

// filterProcs makes the calls of [FilterCalls.Call], and keeps inside right from the first to the last of them.
func filterProcs(c *FilterCalls, n int, notification uint32, pv, kept uintptr, size int) (last int, status uint32, errno isapi.Error, err error) {
	r := C.isapid_filter_procs((*C.struct_isapid_filter_calls)(unsafe.Pointer(c)), C.int(n), C.uint32_t(notification), C.uintptr_t(pv), C.uintptr_t(kept), C.uintptr_t(size))
	if r.status.ticket != 0 {
		return int(r.last), 0, 0, takeFault(r.status.ticket)
	}
	return int(r.last), uint32(r.status.status), isapi.Error(r.status.err), nil
}

// takeFault is the fault that a ticket of the hot paths stands for.
func takeFault(ticket C.int) *Fault {
	f := (*C.struct_isapid_fault)(C.calloc(1, C.sizeof_struct_isapid_fault))
	defer C.free(unsafe.Pointer(f))
	C.isapid_take(ticket, f)
	return newFault(f)
}

// GuardLost names the signals of faults that somebody (an image, a library it brought) has put a handler on in place of the
// guard. It is that handler's then to hand on what is not its own; most do not.
func GuardLost() (names []string) {
	lost := uint32(C.isapid_guard_lost())
	for sig := range 32 {
		if lost&(1<<sig) != 0 {
			names = append(names, signalName(sig))
		}
	}
	return names
}

// EndAtLibcAbort has the process end with SIGABRT from now on when libc itself aborts, which it does for a heap that is
// corrupt: contained, that leaves the lock of the heap held, and whoever allocates in C next waits for ever. It is for a process
// that is only for extensions.
func EndAtLibcAbort() { C.isapid_end_at_libc_abort() }

// ForeignFaults returns the next fault of a thread that an extension made, or nil. There is one to be had at most once a
// fault; faults that happen before an earlier one was taken park their thread untold.
func ForeignFaults() *Fault {
	f := (*C.struct_isapid_fault)(C.calloc(1, C.sizeof_struct_isapid_fault))
	defer C.free(unsafe.Pointer(f))
	if C.isapid_foreign_fault(f) == 0 {
		return nil
	}
	fault := newFault(f)
	fault.Foreign = true
	return fault
}

func newFault(c *C.struct_isapid_fault) *Fault {
	f := &Fault{}
	if c.kind == C.FAULT_EXIT {
		f.Exit = fmt.Sprintf(exits[c.code], c.sig)
	} else {
		f.Signal, f.Meaning = signalName(int(c.sig)), signalMeaning(int(c.sig), int(c.code))
		f.Addr, f.accessed = uintptr(c.addr), c.code > 0 && (c.sig == C.int32_t(syscall.SIGSEGV) || c.sig == C.int32_t(syscall.SIGBUS))
		if c.overflow != 0 {
			f.Meaning = "stack overflow"
		}
	}
	f.Stack = symbolize(trimStack(unsafe.Slice((*uintptr)(unsafe.Pointer(&c.frames[0])), max(0, int(c.nframes))), uintptr(c.pc)))
	return f
}

var exits = map[C.int32_t]string{
	C.EXIT_EXIT: "exit(%d)", C.EXIT_NOW: "_exit(%d)", C.EXIT_QUICK: "quick_exit(%d)", C.EXIT_THREAD: "pthread_exit(%d)",
}

// trimStack drops the guard's own frames before the faulting instruction and, above the call, ours.
func trimStack(frames []uintptr, pc uintptr) []uintptr {
	out := []uintptr{pc}
	for i, p := range frames {
		if p == pc+1 || p == pc { // see resume_unwinding; of exit it is the return address itself
			return append(out, frames[i+1:]...)
		}
	}
	if len(frames) > 1 { // the faulting address is no code: the caller is the first frame there is
		out = append(out, frames[1:]...)
	}
	return append([]uintptr(nil), out...)
}

func signalName(sig int) string {
	switch syscall.Signal(sig) {
	case syscall.SIGSEGV:
		return "SIGSEGV"
	case syscall.SIGBUS:
		return "SIGBUS"
	case syscall.SIGFPE:
		return "SIGFPE"
	case syscall.SIGILL:
		return "SIGILL"
	case syscall.SIGABRT:
		return "SIGABRT"
	case syscall.SIGTRAP:
		return "SIGTRAP"
	}
	return fmt.Sprintf("signal %d", sig)
}

// signalMeaning explains si_code (sigaction(2)).
func signalMeaning(sig, code int) string {
	switch syscall.Signal(sig) {
	case syscall.SIGABRT:
		return "abort"
	case syscall.SIGSEGV:
		switch code {
		case 1:
			return "address not mapped"
		case 2:
			return "no permission for address"
		case 0x80:
			return "not an address"
		}
	case syscall.SIGBUS:
		switch code {
		case 1:
			return "misaligned address"
		case 2:
			return "beyond the end of a file"
		}
	case syscall.SIGFPE:
		switch code {
		case 1:
			return "integer division by zero"
		case 2:
			return "integer overflow"
		}
	case syscall.SIGILL:
		return "illegal instruction"
	}
	if code <= 0 {
		return "raised by the code itself"
	}
	return ""
}
