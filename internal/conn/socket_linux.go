package conn

import (
	"golang.org/x/sys/unix"
)

// peek tells whether the peer still has the connection open, without consuming what it sent.
func peek(fd uintptr) (alive bool, err error) {
	var b [1]byte
	for {
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch err {
		case nil:
			return n > 0, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return true, nil
		default:
			return false, err
		}
	}
}

// resumable is whether a write that a deadline has ended says how much was sent.
const resumable = true

// sendQueue is the number of bytes not yet acknowledged.
func sendQueue(fd uintptr) (int, error) {
	return unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
}
