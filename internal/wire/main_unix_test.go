//go:build unix

package wire

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	errClosedPipe = unix.EPIPE
	errBrokenPipe = unix.EPIPE
)

func socket(c *net.UnixConn) (Stream, error) { return Socket(c) }

// sockets are two ends of a stream that carries descriptors.
func sockets(t testing.TB) (a, b *side) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*side
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = &side{UnixConn: c.(*net.UnixConn)}
	}
	return ends[0], ends[1]
}

// withFiles sends frames with descriptors beside their first byte.
func (p *peer) withFiles(b []byte, n int) {
	p.t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	fds := make([]int, n)
	for i := range fds {
		fds[i] = int(f.Fd())
	}
	if _, _, err := p.WriteMsgUnix(b, unix.UnixRights(fds...), nil); err != nil {
		p.t.Error(err)
	}
}

func unmap(t *testing.T, mem []byte) {
	if err := unix.Munmap(mem); err != nil {
		t.Error(err)
	}
}
