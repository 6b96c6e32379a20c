package update

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/files"
)

// open opens a file to read it; others may rename and remove it meanwhile. With strict, a symbolic link is an error.
func open(path string, strict bool) (*os.File, error) {
	if strict {
		if st, err := os.Lstat(path); err == nil && st.Mode()&fs.ModeSymlink != 0 {
			return nil, errors.New("it is a symbolic link")
		}
	}
	return files.OpenFile(path, os.O_RDONLY, 0)
}

// openToFlush opens a file so that it can be written to the disk.
func openToFlush(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		return os.Open(path)
	}
	return f, err
}

// flushFile writes a file to the disk, unless it may only be read.
func flushFile(f *os.File) error {
	if err := f.Sync(); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// flushFolder does nothing: the system does that itself.
func flushFolder(string) error { return nil }

// own does nothing: a file has the rights of its folder.
func own(*os.File, fs.FileInfo) {}

func tryLock(f *os.File) (bool, error) {
	const exclusive = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), exclusive, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

// mayChange does not know: whoever tries finds out.
func mayChange(folder string) error {
	_, err := os.Stat(folder)
	return bare(err)
}

// busy tells whether a file could not be opened because of what others do with it.
func busy(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}

const (
	readOnlySystem = windows.ERROR_WRITE_PROTECT
	nonblock       = 0 // opening a file never waits
)
