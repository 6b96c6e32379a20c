package worker

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/wire"
)

// stream is the private channel to the front, on the standard handles, which are something else from then on: what a library writes to its
// standard output goes to the log, and there is nothing on its standard input. No library is loaded yet that has asked for
// them.
func stream() (s wire.Stream, err error) {
	in, err := private(windows.STD_INPUT_HANDLE, os.Stdin)
	if err != nil {
		return s, err
	}
	out, err := private(windows.STD_OUTPUT_HANDLE, os.Stdout)
	if err != nil {
		return s, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return s, err
	}
	os.Stdin, os.Stdout = null, os.Stderr
	stderr, err := windows.GetStdHandle(windows.STD_ERROR_HANDLE)
	if err != nil {
		return s, os.NewSyscallError("GetStdHandle", err)
	}
	if err := errors.Join(windows.SetStdHandle(windows.STD_INPUT_HANDLE, windows.Handle(null.Fd())), windows.SetStdHandle(windows.STD_OUTPUT_HANDLE, stderr)); err != nil {
		return s, os.NewSyscallError("SetStdHandle", err)
	}
	return wire.Pipes(in, out)
}

// private is a copy of a standard handle that no other process inherits; was, which has the handle itself, is closed.
func private(which uint32, was *os.File) (*os.File, error) {
	h, err := windows.GetStdHandle(which)
	if err != nil {
		return nil, os.NewSyscallError("GetStdHandle", err)
	}
	if t, err := windows.GetFileType(h); err != nil || t != windows.FILE_TYPE_PIPE {
		return nil, errors.New("its standard input and output are no stream to a front")
	}
	self := windows.CurrentProcess()
	var own windows.Handle
	if err := windows.DuplicateHandle(self, h, self, &own, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		return nil, os.NewSyscallError("DuplicateHandle", err)
	}
	if err := was.Close(); err != nil {
		return nil, fmt.Errorf("close a standard handle: %w", err)
	}
	return os.NewFile(uintptr(own), "stream"), nil
}
