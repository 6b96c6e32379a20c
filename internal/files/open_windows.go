package files

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

func openFile(path string, flag int, perm os.FileMode) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	attributes := uint32(windows.FILE_ATTRIBUTE_NORMAL | windows.FILE_FLAG_BACKUP_SEMANTICS) // folders, too
	if flag&os.O_CREATE != 0 && perm&0o200 == 0 {
		attributes = windows.FILE_ATTRIBUTE_READONLY
	}
	h, err := windows.CreateFile(name, access(flag), share, nil, disposition(flag), attributes, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

func access(flag int) (a uint32) {
	switch flag & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR) {
	case os.O_WRONLY:
		a = windows.FILE_GENERIC_WRITE
	case os.O_RDWR:
		a = windows.FILE_GENERIC_READ | windows.FILE_GENERIC_WRITE
	default:
		return windows.FILE_GENERIC_READ
	}
	if flag&os.O_APPEND != 0 { // all that is written goes to the end
		a &^= windows.FILE_WRITE_DATA
	}
	return a
}

func disposition(flag int) uint32 {
	switch {
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return windows.CREATE_NEW
	case flag&os.O_CREATE != 0 && flag&os.O_TRUNC != 0:
		return windows.CREATE_ALWAYS
	case flag&os.O_CREATE != 0:
		return windows.OPEN_ALWAYS
	case flag&os.O_TRUNC != 0:
		return windows.TRUNCATE_EXISTING
	}
	return windows.OPEN_EXISTING
}

func truncate(f *os.File, path string, size int64) error {
	err := f.Truncate(size)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	other, e := OpenFile(path, os.O_WRONLY, 0)
	if e != nil {
		return e
	}
	defer other.Close()
	a, errA := f.Stat()
	b, errB := other.Stat()
	if errA != nil || errB != nil || !os.SameFile(a, b) { // it has another name by now
		return err
	}
	return other.Truncate(size)
}

func rename(from, to string) error {
	return whileBusy(func() error { return os.Rename(from, to) })
}

func remove(path string) error {
	return whileBusy(func() error { return os.Remove(path) })
}

func removeAllWait(path string) error {
	return whileBusy(func() error { return removeAll(path) })
}

// whileBusy does something again for up to a second as long as somebody else has a file open that it needs.
func whileBusy(do func() error) error {
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := do()
		if !isBusy(err) || time.Now().After(end) {
			return err
		}
	}
}

// isBusy is true of a folder that is not empty, too: a file in it that was deleted stays until the last who has it open closes it.
func isBusy(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION) ||
		errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_DIR_NOT_EMPTY) || errors.Is(err, windows.ERROR_DELETE_PENDING)
}
