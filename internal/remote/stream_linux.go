package remote

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/wire"
)

// channel makes the private channel to a worker, plain or not: our end, and the worker's in spec. The caller closes those files when the
// process is started.
func channel(plain bool, spec *proc.Spec) (ours wire.Stream, theirs []*os.File, err error) {
	if plain {
		ours, theirs, err = pipes(spec)
	} else {
		ours, theirs, err = sockets(spec)
	}
	if err != nil {
		err = fmt.Errorf("make the channel to the worker: %w", err)
	}
	return ours, theirs, err
}

func sockets(spec *proc.Spec) (ours wire.Stream, theirs []*os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ours, nil, os.NewSyscallError("socketpair", err)
	}
	mine := os.NewFile(uintptr(fds[0]), "worker")
	spec.Stream = os.NewFile(uintptr(fds[1]), "front")
	defer mine.Close()
	c, err := net.FileConn(mine)
	if err == nil {
		ours, err = wire.Socket(c.(*net.UnixConn))
	}
	if err != nil {
		return ours, nil, errors.Join(err, spec.Stream.Close())
	}
	return ours, []*os.File{spec.Stream}, nil
}

// pipes are two: a Windows program under Wine has less to do for them than for a socket.
func pipes(spec *proc.Spec) (ours wire.Stream, theirs []*os.File, err error) {
	r, w, err := pipe()
	if err != nil {
		return ours, nil, err
	}
	spec.In = r
	in, out, err := pipe()
	if err != nil {
		return ours, nil, errors.Join(err, r.Close(), w.Close())
	}
	spec.Out = out
	if ours, err = wire.Pipes(in, w); err != nil {
		return ours, nil, errors.Join(err, r.Close(), out.Close())
	}
	return ours, []*os.File{r, out}, nil
}

// pipe is a pipe whose ends the poller does not know: the worker's are to be waited for.
func pipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe", err)
	}
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe"), nil
}
