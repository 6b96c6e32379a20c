package conn

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDescriptor(t *testing.T) {
	c, client := pair(t)
	fd, ok := c.Descriptor()
	if !ok {
		t.Fatal("no descriptor")
	}
	peer, err := unix.Getpeername(int(fd))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := peer.(*unix.SockaddrInet4).Port, client.LocalAddr().(*net.TCPAddr).Port; got != want {
		t.Errorf("peer's port: got %d, want %d", got, want)
	}
}
