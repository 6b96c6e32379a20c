package conn

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/windows"
)

// What WSAPoll is asked for and answers.
const (
	pollError   = 0x1 // POLLERR
	pollHangUp  = 0x2 // POLLHUP
	pollInvalid = 0x4 // POLLNVAL
	pollRead    = 0x100
)

// pollFD is WSAPOLLFD.
type pollFD struct {
	socket     uintptr
	asked, has int16
}

var wsaPoll = windows.NewLazySystemDLL("ws2_32.dll").NewProc("WSAPoll")

// peek tells whether the peer still has the connection open, without consuming what it sent.
func peek(fd uintptr) (alive bool, err error) {
	p := pollFD{socket: fd, asked: pollRead}
	if n, _, err := wsaPoll.Call(uintptr(unsafe.Pointer(&p)), 1, 0); int32(n) < 0 {
		return false, err
	}
	return p.has&(pollError|pollHangUp|pollInvalid) == 0, nil
}

// resumable is whether a write that a deadline has ended says how much was sent. A WSASend or TransmitFile that was cancelled does not.
const resumable = false

// sendQueue is not known.
func sendQueue(uintptr) (int, error) { return 0, errors.ErrUnsupported }
