package native

import (
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// frame is a call under the guard. The code of the guard knows where its fields are.
type frame struct {
	fn   uintptr
	n    uintptr // arguments
	args [8]uintptr
	ret  uintptr
	err  uintptr // last error after the call
	kind uintptr // what became of it: kindNone …
	code uintptr // of the exception, if Go was not asked
	pc   uintptr // where it happened
	sp   uintptr // of the guard, while the call runs

	// quiet has the guard ask nobody, for calls whose fault needs no words.
	quiet uintptr

	exit  [2]uintptr // how it meant to end the process, and the status, while that is raised
	fault exception  // of kindFault
}

// What became of a call.
const (
	kindNone  = 0 // it returned
	kindFault = 1 // an exception ended it, which [decide] has described
	kindBare  = 2 // an exception ended it that only has code and pc
)

// installGuard makes what is needed before the first call.
var installGuard = sync.OnceFunc(func() {
	if err := makeThunk(); err != nil {
		panic(err)
	}
	prepareHooks()
	watchExceptions()
})

// run makes the call under the guard, on this thread.
func (f *frame) run() {
	_, _, _ = syscall.SyscallN(thunkAt, uintptr(unsafe.Pointer(f)))
}

// invoke makes a call that is on the board: what with code, about what is at cell, else of that image. The error is a *Fault.
func invoke(f *frame, what trace.Func, code uint32, cell uintptr, image uint64) error {
	installGuard()
	runtime.LockOSThread() // a line of the board, and the stack that may have to be mended, are the thread's
	defer runtime.UnlockOSThread()
	p := enterCall(what, code, cell, image)
	noteImage(f.fn, p.image())
	var before *frame
	if p.thread != nil {
		before, p.thread.guard = p.thread.guard, f
	}
	f.run()
	if p.thread != nil {
		p.thread.guard = before
	}
	if before == nil { // else there is a call under this one that may have changed it on purpose
		takeBack()
	}
	if f.kind == kindNone {
		p.leave(callDone, false, 0)
		return nil
	}
	if f.stackOverflow() {
		mendStack()
	}
	p.leave(callFaulted, false, 0)
	return newFault(f)
}

// call runs fn, what of that image, under the guard. errno is the last error that the call left.
func call(what trace.Func, image uint64, signature int, fn uintptr, args ...uintptr) (ret uintptr, errno syscall.Errno, err error) {
	f := &frame{fn: fn, n: uintptr(len(args))}
	copy(f.args[:], args)
	var cell uintptr
	if signature == callCompletion {
		cell = args[0]
	}
	if err := invoke(f, what, 0, cell, image); err != nil {
		return notReturned, 0, err
	}
	if ret = f.ret; signature <= callDLLMain {
		ret = uintptr(uint32(ret))
	}
	return ret, syscall.Errno(f.err), nil
}

// DllMain does nothing: on Windows the loader has called it, and does so for each thread.
func DllMain(fn uintptr, reason uint32, image uint64) (ok bool, err error) { return true, nil }

// extensionProc is [HTTPExtensionProc] with an address.
func extensionProc(fn, ecb uintptr) (status uint32, err error) {
	f := &frame{fn: fn, n: 1, args: [8]uintptr{ecb}}
	if err := invoke(f, trace.HttpExtensionProc, 0, ecb, 0); err != nil {
		return 0, err
	}
	return uint32(f.ret), nil
}

// filterProc is [HTTPFilterProc] with an address.
func filterProc(fn, context uintptr, notification uint32, pv uintptr) (status uint32, errno isapi.Error, err error) {
	f := &frame{fn: fn, n: 3, args: [8]uintptr{context, uintptr(notification), pv}}
	if err := invoke(f, trace.HttpFilterProc, notification, context, 0); err != nil {
		return 0, 0, err
	}
	return uint32(f.ret), isapi.Error(f.err), nil
}

// filterProcs is [FilterCalls.Call], which calls the first alone: a call costs no way into C here.
func filterProcs(c *FilterCalls, _ int, notification uint32, pv, _ uintptr, _ int) (last int, status uint32, errno isapi.Error, err error) {
	status, errno, err = filterProc(c.proc[0], c.context[0], notification, pv)
	return 0, status, errno, err
}

// GuardLost names nothing: on Windows no image can take the place of the guard, which lies below each call.
func GuardLost() (names []string) { return nil }

// EndAtLibcAbort changes nothing: on Windows a corrupt heap ends the process.
func EndAtLibcAbort() {}
