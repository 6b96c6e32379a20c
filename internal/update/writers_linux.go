package update

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// beingWritten tells whether somebody has the file open for writing, or has it mapped so. known is false where the system does not say:
// for files of others, and on some file systems.
//
// A lease to read is only granted when nobody writes. While we have it, for microseconds, whoever opens the file for writing
// waits for us. The system would then send us SIGIO, which ends a process that does not expect it: so it is told to send SIGURG,
// which nobody notices.
func beingWritten(f *os.File) (writing, known bool) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, false
	}
	raw.Control(func(fd uintptr) {
		if _, err = unix.FcntlInt(fd, unix.F_SETSIG, int(unix.SIGURG)); err != nil {
			return
		}
		if _, err = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK); err == nil {
			unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		}
	})
	if errors.Is(err, unix.EAGAIN) {
		return true, true
	}
	return false, err == nil
}
