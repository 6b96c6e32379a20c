//go:build unix && cgo

package native

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pages maps two readable pages between two that cannot be touched, and answers the first address and the size of both.
func pages(t *testing.T, writable bool) (addr, size uintptr) {
	t.Helper()
	mem, err := unix.Mmap(-1, 0, 4*pageSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	protection := unix.PROT_READ
	if writable {
		protection |= unix.PROT_WRITE
	}
	if err := unix.Mprotect(mem[pageSize:3*pageSize], protection); err != nil {
		t.Fatal(err)
	}
	return uintptr(unsafe.Pointer(&mem[0])) + pageSize, 2 * pageSize
}

// What faults are called.
const (
	segv    = "SIGSEGV"
	aborted = "SIGABRT"
)

// self is the id of this thread.
func self() int32 { return int32(unix.Gettid()) }
