//go:build unix

package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// sendFile sends b with a descriptor beside its first byte.
func sendFile(c *net.UnixConn, b []byte, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var n int
	var sendErr error
	if err := raw.Control(func(fd uintptr) {
		n, _, sendErr = c.WriteMsgUnix(b, unix.UnixRights(int(fd)), nil)
	}); err != nil {
		return err
	}
	if sendErr == nil && n < len(b) {
		_, sendErr = c.Write(b[n:])
	}
	return sendErr
}

// socket reads bytes and descriptors.
type socket struct {
	raw  syscall.RawConn
	oob  []byte
	p    []byte // where read puts bytes
	n    int
	oobn int
	err  error
	read func(fd uintptr) bool
}

func (s *socket) init(c *net.UnixConn) (err error) {
	if s.raw, err = c.SyscallConn(); err != nil {
		return err
	}
	s.oob = make([]byte, unix.CmsgSpace(4*maxFiles))
	s.read = func(fd uintptr) bool {
		for {
			s.n, s.oobn, _, _, s.err = unix.Recvmsg(int(fd), s.p, s.oob, unix.MSG_CMSG_CLOEXEC)
			if s.err != unix.EINTR {
				return s.err != unix.EAGAIN
			}
		}
	}
	return nil
}

// recv reads at least one byte; files are those that came with them.
func (s *socket) recv(p []byte) (n int, files []*os.File, err error) {
	s.p = p
	err = s.raw.Read(s.read)
	s.p = nil
	switch {
	case err != nil:
		return 0, nil, err
	case s.err != nil:
		return 0, nil, os.NewSyscallError("recvmsg", s.err)
	}
	if s.oobn > 0 {
		files, err = filesOf(s.oob[:s.oobn])
	}
	if s.n == 0 && err == nil {
		err = io.EOF
	}
	return s.n, files, err
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
