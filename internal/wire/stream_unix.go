//go:build unix && !linux

package wire

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// stream is the socket of a link.
type stream struct {
	*net.UnixConn
	from inlet
	to   outlet
}

// Socket is a connected Unix socket as a stream that carries descriptors, too. It takes c over, also when it fails.
func Socket(c *net.UnixConn) (Stream, error) {
	s := &stream{UnixConn: c}
	if err := errors.Join(s.from.init(s), s.to.init(s)); err != nil {
		return Stream{}, errors.Join(err, c.Close())
	}
	return Stream{carrier: s}, nil
}

func (s *stream) send(p []byte, f *os.File, wait bool) (n int, err error) {
	return s.to.send(p, f, wait)
}

func (s *stream) recv(p []byte) (n int, files []*os.File, err error) { return s.from.recv(p) }

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

func (o *outlet) init(c *stream) (err error) {
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

// inlet reads bytes and descriptors.
type inlet struct {
	raw   syscall.RawConn
	oob   []byte
	p     []byte // where read puts bytes
	n     int
	oobn  int
	flags int
	err   error
	read  func(fd uintptr) bool
}

func (s *inlet) init(c *stream) (err error) {
	if s.raw, err = c.SyscallConn(); err != nil {
		return err
	}
	s.oob = make([]byte, unix.CmsgSpace(4*maxFiles))
	s.read = func(fd uintptr) bool {
		for {
			s.n, s.oobn, s.flags, _, s.err = unix.Recvmsg(int(fd), s.p, s.oob, 0)
			if !errors.Is(s.err, unix.EINTR) {
				return !errors.Is(s.err, unix.EAGAIN)
			}
		}
	}
	return nil
}

// recv reads at least one byte; files are those that came with them.
func (s *inlet) recv(p []byte) (n int, files []*os.File, err error) {
	s.p = p
	err = s.raw.Read(s.read)
	s.p = nil
	if err != nil {
		return 0, nil, err
	}
	return received(s.n, s.oob[:max(s.oobn, 0)], s.flags, s.err)
}

// aborted: nobody else can end a read.
func aborted(error) bool { return false }

// NewPipes makes a plain stream: this process's end, and what another process reads from and writes to, which the caller closes when that
// process is started.
func NewPipes() (ours Stream, r, w *os.File, err error) {
	r, out, err := os.Pipe()
	if err != nil {
		return ours, nil, nil, err
	}
	in, w, err := os.Pipe()
	if err != nil {
		return ours, nil, nil, errors.Join(err, r.Close(), out.Close())
	}
	ours, err = Pipes(in, out)
	return ours, r, w, err
}
