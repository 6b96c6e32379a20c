package proc

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// leavesNothing runs the tests and fails when a goroutine or a handle outlives them.
func leavesNothing(m *testing.M) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > 2; time.Sleep(time.Millisecond) { // one reads the clock
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines outlive the tests:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			return 1
		}
	}
	return 0
}

var getProcessHandleCount = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetProcessHandleCount")

// openDescriptors is how many handles this process has open.
func openDescriptors(t *testing.T) int {
	t.Helper()
	var n uint32
	if ok, _, err := getProcessHandleCount.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&n))); ok == 0 {
		t.Fatal(err)
	}
	return int(n)
}

// attach gives s a standard input.
func attach(t *testing.T, s *Spec) (ours, theirs *os.File) {
	t.Helper()
	s.In, ours = pipe(t)
	return ours, s.In
}

// attached is the standard input in the child.
func attached() (io.Writer, io.Reader) { return io.Discard, os.Stdin }
