package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// leavesNothing runs the tests and fails when a goroutine, a descriptor or a process outlives them. Processes that lose their
// parent become children of this one.
func leavesNothing(m *testing.M) int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := warmUp(); err != nil { // the runtime keeps descriptors of its own from the first pipe on
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	goroutines, descriptors := runtime.NumGoroutine(), descriptorCount()
	if code := m.Run(); code != 0 {
		return code
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines outlive the tests:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			return 1
		}
	}
	if now := descriptorCount(); now != descriptors {
		fmt.Fprintf(os.Stderr, "%d descriptors are open after the tests, before there were %d\n", now, descriptors)
		return 1
	}
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if errors.Is(err, unix.ECHILD) {
			break
		}
		if err == nil && pid == 0 {
			fmt.Fprintln(os.Stderr, "a process outlives the tests")
			return 1
		}
	}
	return 0
}

func warmUp() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := Start(Spec{Path: path, Args: []string{"0"}, Env: []string{"PROC_TEST_CHILD=exit"}})
	if err == nil {
		<-p.Done()
	}
	return err
}

func descriptorCount() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

func openDescriptors(*testing.T) int { return descriptorCount() }

// attach gives s a stream.
func attach(t *testing.T, s *Spec) (ours, theirs *os.File) {
	t.Helper()
	ours, s.Stream = streams(t)
	return ours, s.Stream
}

// attached is the stream in the child, twice.
func attached() (io.Writer, io.Reader) {
	f := os.NewFile(3, "stream")
	return f, f
}

// streams makes the two ends of a stream.
func streams(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	ours, theirs = os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { ours.Close() })
	return ours, theirs
}
