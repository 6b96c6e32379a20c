package wire

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoDescriptorForRoom: a process that has no descriptor left writes to a full stream all the same: when the other end reads, or until it is
// closed.
func TestNoDescriptorForRoom(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(map[bool]string{false: "read", true: "closed"}[closed], func(t *testing.T) {
			leavesNothing(t)
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			other := os.NewFile(uintptr(fds[1]), "other")
			defer other.Close()
			mine := os.NewFile(uintptr(fds[0]), "mine")
			c, err := net.FileConn(mine)
			mine.Close()
			if err != nil {
				t.Fatal(err)
			}
			s, err := Socket(c.(*net.UnixConn))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			sent := 0
			for piece := make([]byte, 64<<10); ; {
				n, err := s.send(piece, nil, false)
				if err != nil {
					t.Fatal(err)
				}
				if sent += n; n == 0 {
					break
				}
			}
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				t.Fatal(err)
			}
			none := limit
			none.Cur = 0
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
					t.Fatal(err)
				}
			}()
			got := make(chan []byte, 1)
			if closed {
				go s.Close()
			} else {
				go func() {
					p := make([]byte, sent+4)
					_, _ = io.ReadFull(other, p)
					got <- p[sent:]
				}()
			}
			switch n, err := s.send([]byte("last"), nil, true); {
			case closed && err == nil:
				t.Errorf("sent %d bytes on a closed stream", n)
			case closed:
			case n != 4 || err != nil:
				t.Errorf("sent %d bytes: %v", n, err)
				other.Close()
			default:
				if p := <-got; !bytes.Equal(p, []byte("last")) {
					t.Errorf("%q came", p)
				}
			}
		})
	}
}
