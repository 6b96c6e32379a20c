package wire

import (
	"os"
	"time"
)

// Stream is what the bytes of a link go over. [Socket] and [Pipes] make one, and the link it is for owns it.
type Stream struct {
	carrier
	plain bool // it carries bytes only: no descriptors
	waits bool // what it does not take at once can only be waited for, and a read of it perhaps not be ended
}

// carrier is what a system has for it. One goroutine at a time reads, and one writes.
type carrier interface {
	// send writes part of p, at least one byte if it may wait, none if it may not and there is no room. f, if it is not nil, goes with the
	// first byte.
	send(p []byte, f *os.File, wait bool) (n int, err error)
	// recv reads at least one byte; files are those that came with them.
	recv(p []byte) (n int, files []*os.File, err error)
	// SetReadDeadline is as that of a connection. It fails where a read cannot be ended.
	SetReadDeadline(t time.Time) error
	// Close has whoever waits told, where that can be; it does not wait for him.
	Close() error
}
