package image

import (
	"os"

	"golang.org/x/sys/windows"
)

const openNonblock = 0 // files of the file system never make an open wait

// lockFile takes the lock that says that this process lives. The system gives it back when the process ends, however.
func lockFile(f *os.File) error {
	const exclusive = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), exclusive, 0, 1, 0, &windows.Overlapped{})
}

// ownedByMe is true: nobody else can remove what a user has made in his folder.
func ownedByMe(os.FileInfo) bool { return true }

// stagedMode is that of the copy of a file: writable, because a read-only file is not simply removed on Windows, and not at all by Wine
// while it is.
func stagedMode(os.FileMode) os.FileMode { return 0o600 }

const caseless = true
