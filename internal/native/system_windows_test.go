package native

import (
	"testing"

	"golang.org/x/sys/windows"
)

// pages maps two readable pages between two that cannot be touched, and answers the first address and the size of both.
func pages(t *testing.T, writable bool) (addr, size uintptr) {
	t.Helper()
	mem, err := windows.VirtualAlloc(0, 4*pageSize, windows.MEM_COMMIT|windows.MEM_RESERVE, windows.PAGE_NOACCESS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = windows.VirtualFree(mem, 0, windows.MEM_RELEASE) })
	protection, before := uint32(windows.PAGE_READONLY), uint32(0)
	if writable {
		protection = windows.PAGE_READWRITE
	}
	if err := windows.VirtualProtect(mem+pageSize, 2*pageSize, protection, &before); err != nil {
		t.Fatal(err)
	}
	return mem + pageSize, 2 * pageSize
}

// What faults are called.
const (
	segv    = "EXCEPTION_ACCESS_VIOLATION"
	aborted = "abort()"
)

// self is the id of this thread.
func self() int32 { return int32(windows.GetCurrentThreadId()) }
