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

// outlet writes bytes and descriptors. One caller at a time.
type outlet struct {
	raw  syscall.RawConn
	p    []byte // what is to be written
	oob  []byte // and what goes with its first byte
	wait bool
	n    int
	err  error
	try  func(fd uintptr) bool
}

func (o *outlet) init(c *net.UnixConn) (err error) {
	if o.raw, err = c.SyscallConn(); err != nil {
		return err
	}
	o.try = func(fd uintptr) bool {
		for {
			if o.oob == nil {
				o.n, o.err = unix.Write(int(fd), o.p)
			} else {
				o.n, o.err = unix.SendmsgN(int(fd), o.p, o.oob, nil, unix.MSG_NOSIGNAL)
			}
			if !errors.Is(o.err, unix.EINTR) {
				return !errors.Is(o.err, unix.EAGAIN) || !o.wait
			}
		}
	}
	return nil
}

// send writes part of p, at least one byte if it may wait, none if it may not and the socket is full. f, if it is not nil, goes
// with the first byte.
func (o *outlet) send(p []byte, f *os.File, wait bool) (n int, err error) {
	o.p, o.wait, o.oob = p, wait, nil
	if f == nil {
		err = o.raw.Write(o.try)
	} else {
		err = o.sendWith(f)
	}
	o.p, o.oob = nil, nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(o.err, unix.EAGAIN):
		return 0, nil
	case o.err != nil:
		return 0, os.NewSyscallError("write", o.err)
	}
	return o.n, nil
}

func (o *outlet) sendWith(f *os.File) (err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := raw.Control(func(fd uintptr) {
		o.oob = unix.UnixRights(int(fd))
		sent = o.raw.Write(o.try)
	}); err != nil {
		return err
	}
	return sent
}

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

// socket reads bytes and descriptors.
type socket struct {
	raw   syscall.RawConn
	oob   []byte
	p     []byte // where read puts bytes
	n     int
	oobn  int
	flags int
	err   error
	read  func(fd uintptr) bool
}

func (s *socket) init(c *net.UnixConn) (err error) {
	if s.raw, err = c.SyscallConn(); err != nil {
		return err
	}
	s.oob = make([]byte, unix.CmsgSpace(4*maxFiles))
	s.read = func(fd uintptr) bool {
		for {
			s.n, s.oobn, s.flags, _, s.err = unix.Recvmsg(int(fd), s.p, s.oob, unix.MSG_CMSG_CLOEXEC)
			if !errors.Is(s.err, unix.EINTR) {
				return !errors.Is(s.err, unix.EAGAIN)
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
	if s.flags&unix.MSG_CTRUNC != 0 && err == nil {
		err = protocolError("more descriptors at a time than this process can take")
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
