//go:build unix

package wire

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// duplicate is a second descriptor for what f is.
func duplicate(f *os.File) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var dup int
	var dupErr error
	if err := raw.Control(func(fd uintptr) { dup, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, os.NewSyscallError("fcntl", dupErr)
	}
	return os.NewFile(uintptr(dup), f.Name()), nil
}

// received is what a read gave: at least one byte or an error.
func received(got int, oob []byte, flags int, readErr error) (n int, files []*os.File, err error) {
	if readErr != nil {
		return 0, nil, os.NewSyscallError("recvmsg", readErr)
	}
	if len(oob) > 0 {
		files, err = filesOf(oob)
	}
	if flags&unix.MSG_CTRUNC != 0 && err == nil {
		err = protocolError("more descriptors at a time than this process can take")
	}
	if got == 0 && err == nil {
		err = io.EOF
	}
	return got, files, err
}

func filesOf(oob []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, e := unix.ParseUnixRights(&messages[i])
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, err
}
