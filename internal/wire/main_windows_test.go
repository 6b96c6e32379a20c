package wire

import (
	"errors"
	"net"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// What a write fails with whose reader ends, or has ended.
const (
	errClosedPipe = windows.ERROR_NO_DATA
	errBrokenPipe = windows.ERROR_BROKEN_PIPE
)

func socket(*net.UnixConn) (Stream, error) { return Stream{}, errors.ErrUnsupported }

func sockets(t testing.TB) (a, b *side) {
	t.Helper()
	t.Fatal("there are no sockets that carry descriptors on Windows")
	return nil, nil
}

func (p *peer) withFiles([]byte, int) { p.t.Fatal("no descriptors can be sent on Windows") }

func unmap(t *testing.T, mem []byte) {
	if err := windows.UnmapViewOfFile(uintptr(unsafe.Pointer(&mem[0]))); err != nil {
		t.Error(err)
	}
}
