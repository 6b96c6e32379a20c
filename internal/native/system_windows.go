package native

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// What is called of the system that has no name in Go's packages.
var (
	kernel32 = windows.NewLazySystemDLL("kernel32.dll")
	ntdll    = windows.NewLazySystemDLL("ntdll.dll")

	heapAlloc   = kernel32.NewProc("HeapAlloc")
	heapFree    = kernel32.NewProc("HeapFree")
	processHeap = kernel32.NewProc("GetProcessHeap")
)

const heapZeroMemory = 8

// heap is the heap of the process.
var heap = func() uintptr {
	h, _, _ := processHeap.Call()
	return h
}()

// zeroed is foreign memory of n bytes, which must not be 0; nil if there is none. freeMem gives it back.
func zeroed(n int) unsafe.Pointer {
	p, _, _ := heapAlloc.Call(heap, heapZeroMemory, uintptr(n))
	return ptr(p)
}

// unzeroed is zeroed with anything in it.
func unzeroed(n int) unsafe.Pointer {
	p, _, _ := heapAlloc.Call(heap, 0, uintptr(n))
	return ptr(p)
}

func freeMem(p unsafe.Pointer) {
	if p != nil {
		_, _, _ = heapFree.Call(heap, 0, uintptr(p))
	}
}

// threadID is the id of the thread that calls.
func threadID() int32

// teb is the environment block of the thread that calls.
func teb() uintptr

// stackBounds are the lowest address that the stack of the thread that calls may grow to, and the end of it.
func stackBounds() (low, high uintptr) {
	t := teb()
	return *(*uintptr)(ptr(t + tebStackEnd)), *(*uintptr)(ptr(t + tebStackBase))
}
