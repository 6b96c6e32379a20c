package wire

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// stream is the socket of a link. Go's poller asks the kernel about reading and writing together, and a Unix socket tells about
// writing each time the other end has read something: a wake-up for every message that nobody wants. So the socket is kept
// from the poller, and behind it are two epoll instances of our own, one that waits for bytes and one, made when it is
// needed, that waits for room.
type stream struct {
	socket *os.File // blocking, so not in the poller; used with MSG_DONTWAIT
	toRead *os.File // an epoll instance, in the poller

	mu      sync.Mutex // guards all below
	toWrite *os.File
	closed  bool
}

// newStream takes c over.
func newStream(c *net.UnixConn) (*stream, error) {
	defer c.Close()
	fd := -1
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := raw.Control(func(d uintptr) { fd, err = unix.FcntlInt(d, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	s := &stream{socket: os.NewFile(uintptr(fd), "stream")}
	if s.toRead, err = s.watch(unix.EPOLLIN | unix.EPOLLRDHUP); err != nil {
		return nil, errors.Join(err, s.socket.Close())
	}
	return s, nil
}

// watch is a file that can be read when one of these events has happened.
func (s *stream) watch(events uint32) (*os.File, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	fail := func(call string, err error) error { return errors.Join(os.NewSyscallError(call, err), unix.Close(ep)) }
	raw, err := s.socket.SyscallConn()
	if err != nil {
		return nil, fail("fcntl", err)
	}
	var added error
	if err := raw.Control(func(fd uintptr) {
		added = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: events, Fd: int32(fd)})
	}); err != nil || added != nil {
		return nil, fail("epoll_ctl", errors.Join(err, added))
	}
	if err := unix.SetNonblock(ep, true); err != nil { // or the poller does not take it
		return nil, fail("fcntl", err)
	}
	return os.NewFile(uintptr(ep), "stream"), nil
}

// room is what waits for room, made at its first use.
func (s *stream) room() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	if s.toWrite == nil {
		f, err := s.watch(unix.EPOLLOUT)
		if err != nil {
			return nil, err
		}
		s.toWrite = f
	}
	return s.toWrite, nil
}

// SetReadDeadline is as that of a connection.
func (s *stream) SetReadDeadline(t time.Time) error { return s.toRead.SetReadDeadline(t) }

// Close is as that of a connection: whoever waits is told.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.toWrite != nil {
		s.toWrite.Close()
	}
	s.toRead.Close()
	return s.socket.Close()
}

// outlet writes bytes and descriptors. One caller at a time.
type outlet struct {
	s     *stream
	p     []byte // what is to be written
	oob   []byte // and what goes with its first byte
	n     int
	err   error
	try   func(fd uintptr)
	await func(uintptr) bool
	raw   interface{ Control(func(uintptr)) error }
}

func (o *outlet) init(s *stream) (err error) {
	o.s = s
	if o.raw, err = s.socket.SyscallConn(); err != nil {
		return err
	}
	o.try = func(fd uintptr) {
		for {
			o.n, o.err = unix.SendmsgN(int(fd), o.p, o.oob, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			if !errors.Is(o.err, unix.EINTR) {
				return
			}
		}
	}
	o.await = func(uintptr) bool {
		if err := o.raw.Control(o.try); err != nil {
			o.err = err
		}
		return !errors.Is(o.err, unix.EAGAIN)
	}
	return nil
}

// send writes part of p, at least one byte if it may wait, none if it may not and the socket is full. f, if it is not nil, goes
// with the first byte.
func (o *outlet) send(p []byte, f *os.File, wait bool) (n int, err error) {
	o.p, o.oob = p, nil
	if f == nil {
		err = o.write(wait)
	} else {
		err = o.sendWith(f, wait)
	}
	o.p, o.oob = nil, nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(o.err, unix.EAGAIN):
		return 0, nil
	case o.err != nil:
		return 0, os.NewSyscallError("sendmsg", o.err)
	}
	return o.n, nil
}

func (o *outlet) write(wait bool) error {
	if err := o.raw.Control(o.try); err != nil {
		return err
	}
	if !wait || !errors.Is(o.err, unix.EAGAIN) {
		return nil
	}
	room, err := o.s.room()
	if err != nil {
		return err
	}
	raw, err := room.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(o.await)
}

func (o *outlet) sendWith(f *os.File, wait bool) (err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := raw.Control(func(fd uintptr) {
		o.oob = unix.UnixRights(int(fd))
		sent = o.write(wait)
	}); err != nil {
		return err
	}
	return sent
}

// inlet reads bytes and descriptors.
type inlet struct {
	oob   []byte
	p     []byte // where read puts bytes
	n     int
	oobn  int
	flags int
	err   error
	try   func(fd uintptr)
	await func(uintptr) bool
	raw   interface{ Control(func(uintptr)) error }
	ready interface {
		Read(func(uintptr) bool) error
	}
}

func (s *inlet) init(st *stream) (err error) {
	if s.raw, err = st.socket.SyscallConn(); err != nil {
		return err
	}
	if s.ready, err = st.toRead.SyscallConn(); err != nil {
		return err
	}
	s.oob = make([]byte, unix.CmsgSpace(4*maxFiles))
	s.try = func(fd uintptr) {
		for {
			s.n, s.oobn, s.flags, _, s.err = unix.Recvmsg(int(fd), s.p, s.oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
			if !errors.Is(s.err, unix.EINTR) {
				return
			}
		}
	}
	s.await = func(uintptr) bool {
		if err := s.raw.Control(s.try); err != nil {
			s.err = err
		}
		return !errors.Is(s.err, unix.EAGAIN)
	}
	return nil
}

// recv reads at least one byte; files are those that came with them.
func (s *inlet) recv(p []byte) (n int, files []*os.File, err error) {
	s.p = p
	err = s.ready.Read(s.await)
	s.p = nil
	if err != nil {
		return 0, nil, err
	}
	return received(s.n, s.oob[:max(s.oobn, 0)], s.flags, s.err)
}
