//go:build unix

package update

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// open opens a file to read it, and never waits for the other end of a pipe. With strict, a symbolic link is an error.
func open(path string, strict bool) (*os.File, error) {
	flags := os.O_RDONLY | nonblock
	if strict {
		flags |= syscall.O_NOFOLLOW
	}
	return os.OpenFile(path, flags, 0)
}

// openToFlush opens a file so that it can be written to the disk.
func openToFlush(path string) (*os.File, error) { return open(path, true) }

func flushFile(f *os.File) error { return f.Sync() }

func flushFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems have nothing to write
		return err
	}
	return nil
}

func own(f *os.File, like fs.FileInfo) {
	if st, ok := like.Sys().(*syscall.Stat_t); ok {
		if f.Chown(int(st.Uid), int(st.Gid)) != nil {
			f.Chown(-1, int(st.Gid)) // the owner of a file may give it to a group of his
		}
	}
}

func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// mayChange says whether this process may make, rename and remove files in a folder.
func mayChange(folder string) error {
	return unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}

// busy tells whether a file could not be opened because of what others do with it.
func busy(error) bool { return false }

const (
	readOnlySystem = unix.EROFS
	nonblock       = syscall.O_NONBLOCK // whatever it is, opening it does not wait
)
