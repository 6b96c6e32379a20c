//go:build unix

package worker

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/wire"
)

// stream is the private channel to the front.
func stream() (wire.Stream, error) {
	if os.Getenv(wire.PlainByEnv) == "1" {
		return standard()
	}
	f := os.NewFile(Stream, "stream")
	if f == nil {
		return wire.Stream{}, fmt.Errorf("descriptor %d is no stream to a front: %w", Stream, os.ErrInvalid)
	}
	defer f.Close() // FileConn has a copy, which closes on exec
	c, err := net.FileConn(f)
	if err != nil {
		return wire.Stream{}, fmt.Errorf("descriptor %d is no stream to a front: %w", Stream, err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return wire.Stream{}, fmt.Errorf("descriptor %d is no stream to a front: it is a %T", Stream, c)
	}
	return wire.Socket(u)
}

// standard is the stream on the standard descriptors, which are something else from then on: what an image writes to its standard output
// goes to the log, and there is nothing on its standard input.
func standard() (s wire.Stream, err error) {
	for _, f := range []*os.File{os.Stdin, os.Stdout} {
		if st, err := f.Stat(); err != nil || st.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
			return s, errors.New("its standard input and output are no stream to a front")
		}
	}
	var own [2]*os.File
	for fd := range own {
		d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, Stream)
		if err != nil {
			return s, os.NewSyscallError("fcntl", err)
		}
		own[fd] = os.NewFile(uintptr(d), "stream")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return s, err
	}
	defer null.Close()
	if err := errors.Join(unix.Dup2(int(null.Fd()), 0), unix.Dup2(2, 1)); err != nil {
		return s, os.NewSyscallError("dup2", err)
	}
	return wire.Pipes(own[0], own[1])
}
