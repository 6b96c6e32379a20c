package wire

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// NewPipes makes a plain stream: this process's end, and what another process reads from and writes to, which the caller closes when that
// process is started.
func NewPipes() (ours Stream, r, w *os.File, err error) {
	out, r, err := newPipe(windows.PIPE_ACCESS_OUTBOUND, windows.GENERIC_READ)
	if err != nil {
		return ours, nil, nil, err
	}
	in, w, err := newPipe(windows.PIPE_ACCESS_INBOUND, windows.GENERIC_WRITE)
	if err != nil {
		return ours, nil, nil, errors.Join(err, r.Close(), out.Close())
	}
	ours, err = Pipes(in, out)
	return ours, r, w, err
}

// pipeBuffer is how much a pipe takes that nobody has read yet, in bytes.
const pipeBuffer = 256 << 10

// newPipe is a pipe with one end, ours, that need not be waited for, and one for a process that knows nothing of that. Only a pipe with a
// name can be so; this one's cannot be guessed, there is no second of it, and it cannot be reached from another computer.
func newPipe(ours, theirs uint32) (mine, other *os.File, err error) {
	name := fmt.Sprintf(`\\.\pipe\isapid-worker-%d-%s`, os.Getpid(), rand.Text())
	name16, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, nil, err
	}
	h, err := windows.CreateNamedPipe(name16, ours|windows.FILE_FLAG_OVERLAPPED|windows.FILE_FLAG_FIRST_PIPE_INSTANCE,
		windows.PIPE_TYPE_BYTE|windows.PIPE_READMODE_BYTE|windows.PIPE_REJECT_REMOTE_CLIENTS, 1, pipeBuffer, pipeBuffer, 0, nil)
	if err != nil {
		return nil, nil, os.NewSyscallError("CreateNamedPipe", err)
	}
	mine = os.NewFile(uintptr(h), name)
	h, err = windows.CreateFile(name16, theirs, 0, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("CreateFile", err), mine.Close())
	}
	return mine, os.NewFile(uintptr(h), name), nil
}

// aborted says that a read was ended, and not by its own file, which says so in other words.
func aborted(err error) bool { return errors.Is(err, windows.ERROR_OPERATION_ABORTED) }
