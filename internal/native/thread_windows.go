package native

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	createThread            = kernel32.NewProc("CreateThread")
	virtualQuery            = kernel32.NewProc("VirtualQuery")
	flsAlloc                = kernel32.NewProc("FlsAlloc")
	flsSetValue             = kernel32.NewProc("FlsSetValue")
	setThreadStackGuarantee = kernel32.NewProc("SetThreadStackGuarantee")
)

const stackSizeIsReservation = 0x10000 // STACK_SIZE_PARAM_IS_A_RESERVATION

// stackOfOurs is what the guard and Go take of the stack of a thread, beside what its code does.
const stackOfOurs = 256 << 10

const maxStack = 63 << 20

// Thread is an OS thread of ours: what runs on it always runs there, on a stack of the size asked for.
type Thread struct {
	handle windows.Handle
}

// threadFuncs are the functions of threads that have not begun, by a number.
var (
	threadFuncs  sync.Map
	threadNumber atomic.Uint32
	threadMain   = sync.OnceValue(func() uintptr { return windows.NewCallback(runThread) })
)

func runThread(number uintptr) uintptr {
	if f, ok := threadFuncs.LoadAndDelete(uint32(number)); ok {
		f.(func())()
	}
	return 0
}

// StartThread runs f on a new OS thread whose stack has the given number of bytes; 0 is the system's default. The caller
// must call Join.
//
// Go takes no thread whose stack is larger than 64 MiB.
func StartThread(stack int, f func()) (*Thread, error) {
	if stack > maxStack {
		return nil, fmt.Errorf("a thread with %d bytes of stack: on Windows %d are the most", stack, maxStack)
	}
	number := threadNumber.Add(1)
	threadFuncs.Store(number, f)
	if stack > 0 {
		stack += stackOfOurs
	}
	h, _, err := createThread.Call(0, uintptr(stack), threadMain(), uintptr(number), stackSizeIsReservation, 0)
	if h == 0 {
		threadFuncs.Delete(number)
		return nil, fmt.Errorf("start a thread with %d bytes of stack: %w", stack, err)
	}
	return &Thread{windows.Handle(h)}, nil
}

// Join waits until f has returned and the thread is gone.
func (t *Thread) Join() {
	_, _ = windows.WaitForSingleObject(t.handle, windows.INFINITE)
	_ = windows.CloseHandle(t.handle)
}

// endOfThreadAddress is the code that gives a line of the board back.
func endOfThreadAddress() uintptr

var lineIndex = sync.OnceValue(func() uintptr {
	i, _, _ := flsAlloc.Call(endOfThreadAddress())
	return i
})

const noIndex = 1<<32 - 1

// stackGuarantee is what is left of a stack when it is used up, for the guard, in bytes.
const stackGuarantee = 32 << 10

// beginThread is for a thread that has got a line: it gives the line back when it ends.
func beginThread(l *boardLine) {
	if i := lineIndex(); uint32(i) != noIndex {
		_, _, _ = syscall.SyscallN(flsSetValue.Addr(), i, uintptr(unsafe.Pointer(l)))
	}
	size := uint32(stackGuarantee)
	_, _, _ = setThreadStackGuarantee.Call(uintptr(unsafe.Pointer(&size)))
	mendStack()
}

// mendStack puts the guard pages of this thread at the end of its stack if they are not there, because it has been used up, or too few:
// Wine has only one, which is no room for a handler.
func mendStack() {
	low, _ := stackBounds()
	for at := low; ; {
		m := memoryAt(at)
		if m.allocation != low {
			return
		}
		at = m.base + m.size
		if m.state != windows.MEM_COMMIT || m.protect == windows.PAGE_NOACCESS {
			continue
		}
		if m.protect&windows.PAGE_GUARD != 0 && (m.base > low+pageSize || m.size > stackGuarantee) {
			return // it can still grow, or all are there
		}
		const size = stackGuarantee + pageSize
		sp, _, _ := syscall.SyscallN(stackPointerAddress())
		var before uint32
		if sp > m.base+2*size && windows.VirtualProtect(m.base, size, windows.PAGE_READWRITE|windows.PAGE_GUARD, &before) == nil {
			*(*uintptr)(ptr(teb() + tebStackLimit)) = m.base + size
		}
		return
	}
}

// memoryInfo is MEMORY_BASIC_INFORMATION, which is another one in x/sys for 386.
type memoryInfo struct {
	base, allocation     uintptr
	allocated            uint32
	size                 uintptr
	state, protect, sort uint32
}

// memoryAt tells of the pages at an address; all zero if it cannot.
func memoryAt(at uintptr) (m memoryInfo) {
	_, _, _ = virtualQuery.Call(at, uintptr(unsafe.Pointer(&m)), unsafe.Sizeof(m))
	return m
}

// stackPointerAddress is code that answers the stack pointer of the thread.
func stackPointerAddress() uintptr
