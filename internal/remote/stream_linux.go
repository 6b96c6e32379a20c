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
		ours, spec.In, spec.Out, err = wire.NewPipes()
		theirs = []*os.File{spec.In, spec.Out}
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
