package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stream is the socket of a link, or its two pipes. Go's poller asks the kernel about reading and writing together, and a Unix socket or
// a pipe tells about writing each time the other end has read something: a wake-up for every message that nobody wants. So they are
// kept from the poller, and behind them are two epoll instances of our own, one that waits for bytes and one, made when it is
// needed, that waits for room.
type stream struct {
	in, out *os.File // not in the poller, and never waited for. Those of a socket are the same
	pipes   bool     // they are pipes, which have no flag for one call: they do not wait for any
	toRead  *os.File // an epoll instance, in the poller
	from    inlet
	to      outlet

	mu      sync.Mutex // guards all below
	toWrite *os.File
	closed  bool
}

// Socket is a connected Unix socket as a stream that carries descriptors, too. It takes c over, also when it fails.
func Socket(c *net.UnixConn) (Stream, error) {
	f, err := takeOver(c)
	if err != nil {
		return Stream{}, err
	}
	s, err := newStream(&stream{in: f, out: f})
	return Stream{carrier: s}, err
}

// Pipes are two pipes, or the same socket twice, as a stream that carries bytes only: one that it reads, and one that it writes. It takes
// both over, also when it fails.
func Pipes(r, w *os.File) (Stream, error) {
	in, err := takeOver(r)
	if w != r {
		defer w.Close()
	}
	if err != nil {
		return Stream{}, err
	}
	out := in
	if w != r {
		if out, err = takeOver(w); err != nil {
			return Stream{}, errors.Join(err, in.Close())
		}
	}
	for _, f := range []*os.File{in, out} { // now that the poller has not taken them
		if err := control(f, "fcntl", func(fd int) error { return unix.SetNonblock(fd, true) }); err != nil {
			return Stream{}, errors.Join(err, in.Close(), out.Close())
		}
	}
	s, err := newStream(&stream{in: in, out: out, pipes: true})
	return Stream{carrier: s, plain: true}, err
}

// NewPipes makes a plain stream: this process's end, and what another process reads from and writes to, which the caller closes when that
// process is started. They are pipes, as a Windows program under Wine has less to do for them than for a socket.
func NewPipes() (ours Stream, r, w *os.File, err error) {
	r, out, err := newPipe()
	if err != nil {
		return ours, nil, nil, err
	}
	in, w, err := newPipe()
	if err != nil {
		return ours, nil, nil, errors.Join(err, r.Close(), out.Close())
	}
	if ours, err = Pipes(in, out); err != nil {
		return ours, nil, nil, errors.Join(err, r.Close(), w.Close())
	}
	return ours, r, w, nil
}

// newPipe is a pipe whose ends the poller does not know: another process is to wait for one of them.
func newPipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe", err)
	}
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}

// takeOver is c as a file that the poller does not know; c is closed.
func takeOver(c interface {
	syscall.Conn
	io.Closer
}) (*os.File, error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if e := raw.Control(func(d uintptr) { fd, err = unix.FcntlInt(d, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "stream"), nil
}

// newStream completes s, or closes what it has.
func newStream(s *stream) (_ *stream, err error) {
	if s.toRead, err = watch(s.in, unix.EPOLLIN|unix.EPOLLRDHUP); err != nil {
		return nil, errors.Join(err, s.closeEnds())
	}
	if err := errors.Join(s.from.init(s), s.to.init(s)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *stream) closeEnds() error {
	err := s.in.Close()
	if s.out != s.in {
		err = errors.Join(err, s.out.Close())
	}
	return err
}

// watch is a file that can be read when one of these events has happened to f.
func watch(f *os.File, events uint32) (*os.File, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	fail := func(err error) error { return errors.Join(err, unix.Close(ep)) }
	if err := control(f, "epoll_ctl", func(fd int) error {
		return unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	}); err != nil {
		return nil, fail(err)
	}
	if err := unix.SetNonblock(ep, true); err != nil { // or the poller does not take it
		return nil, fail(os.NewSyscallError("fcntl", err))
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
		f, err := watch(s.out, unix.EPOLLOUT)
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
	return s.closeEnds()
}

func (s *stream) send(p []byte, f *os.File, wait bool) (n int, err error) {
	return s.to.send(p, f, wait)
}

func (s *stream) recv(p []byte) (n int, files []*os.File, err error) { return s.from.recv(p) }

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
	if o.raw, err = s.out.SyscallConn(); err != nil {
		return err
	}
	o.try = func(fd uintptr) {
		for {
			if s.pipes {
				o.n, o.err = unix.Write(int(fd), o.p)
			} else {
				o.n, o.err = unix.SendmsgN(int(fd), o.p, o.oob, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			}
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
	switch {
	case f == nil:
		err = o.write(wait)
	case o.s.pipes:
		err = errors.ErrUnsupported
	default:
		err = o.sendWith(f, wait)
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

func (o *outlet) write(wait bool) error {
	if err := o.raw.Control(o.try); err != nil {
		return err
	}
	if !wait || !errors.Is(o.err, unix.EAGAIN) {
		return nil
	}
	room, err := o.s.room()
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM) {
		return o.look()
	}
	if err != nil {
		return err
	}
	raw, err := room.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(o.await)
}

// lookEvery is the time between two looks whether there is room, where nobody tells.
const lookEvery = 5 * time.Millisecond

// look waits for room where there is no descriptor for what tells of it: that is no reason to end the link, and what waits on it.
func (o *outlet) look() error {
	for errors.Is(o.err, unix.EAGAIN) {
		time.Sleep(lookEvery)
		if err := o.raw.Control(o.try); err != nil {
			return err // it is closed
		}
	}
	return nil
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
	if s.raw, err = st.in.SyscallConn(); err != nil {
		return err
	}
	if s.ready, err = st.toRead.SyscallConn(); err != nil {
		return err
	}
	if !st.pipes {
		s.oob = make([]byte, unix.CmsgSpace(4*maxFiles))
	}
	s.try = func(fd uintptr) {
		for {
			if st.pipes {
				s.n, s.err = unix.Read(int(fd), s.p)
			} else {
				s.n, s.oobn, s.flags, _, s.err = unix.Recvmsg(int(fd), s.p, s.oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
			}
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
