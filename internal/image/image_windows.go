package image

import (
	"os"
	"syscall"
	"unsafe"
)

const openNonblock = 0 // files of the file system never make an open wait

const (
	lockExclusive       = 2 // LOCKFILE_EXCLUSIVE_LOCK
	lockFailImmediately = 1 // LOCKFILE_FAIL_IMMEDIATELY
)

// https://learn.microsoft.com/en-us/windows/win32/api/fileapi/nf-fileapi-lockfileex
var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// lockFile takes the lock that says that this process lives. The system gives it back when the process ends, however.
func lockFile(f *os.File) error {
	var o syscall.Overlapped
	ok, _, err := lockFileEx.Call(f.Fd(), lockExclusive|lockFailImmediately, 0, 1, 0, uintptr(unsafe.Pointer(&o)))
	if ok == 0 {
		return err
	}
	return nil
}

// ownedByMe is true: a user has a temporary folder of his own.
func ownedByMe(os.FileInfo) bool { return true }

const caseless = true
