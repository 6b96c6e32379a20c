//go:build unix

package remote

import (
	"errors"
	"os"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

// lockFolder locks a folder; closing the file, and the end of the process, unlock it. It fails if somebody else has it, or if the
// folder is not there any more.
func lockFolder(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	mine, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if there, err := os.Lstat(path); err != nil || !os.SameFile(mine, there) {
		f.Close()
		return nil, errors.Join(errors.New("the folder was removed"), err)
	}
	return f, nil
}

// ownedByMe tells whether a file belongs to the user of this process.
func ownedByMe(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && (int(sys.Uid) == os.Geteuid() || os.Geteuid() == 0) // root gave it to the user of a worker
}
