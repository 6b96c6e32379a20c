//go:build unix

package image

import (
	"os"
	"syscall"
)

const openNonblock = syscall.O_NONBLOCK

// lockFile takes the lock that says that this process lives. The system gives it back when the process ends, however.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// ownedByMe tells whether a file belongs to the user of this process.
func ownedByMe(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}

// stagedMode is that of the copy of a file: nobody writes to it.
func stagedMode(source os.FileMode) os.FileMode {
	if source&0o111 != 0 {
		return 0o500
	}
	return 0o400
}

const caseless = false
