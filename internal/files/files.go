// Package files has what files and folders need to behave on Windows as they do on Unix, where each of these functions is one of package
// os: a folder has the rights of the one it is made in, a file that is open cannot be renamed or deleted, and a folder can have
// links of several kinds in it that are not to be followed.
package files

import "os"

// MkdirTempPrivate makes a new folder below dir, named as [os.MkdirTemp] does, which only the user of this process may enter; on
// Windows the system itself may, too. With dir "" it is made below the system's temporary folder.
func MkdirTempPrivate(dir, pattern string) (string, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	return mkdirTemp(dir, pattern)
}

// MkdirAllPrivate makes a folder, and those above it, which only the user of this process may enter; on Windows the system itself and
// administrators may, too. A folder that is there stays as it is.
func MkdirAllPrivate(path string) error { return mkdirAll(path) }

// Remove is [os.Remove]. On Windows it waits for up to a second for those who have the file open.
func Remove(path string) error { return remove(path) }

// RemoveAll removes a file, or a folder with all in it. Of links, those of Windows included, it removes the link. It is no error if there
// is nothing. After an error as much as can be is removed.
func RemoveAll(path string) error { return removeAll(path) }

// RemoveAllWait is RemoveAll. On Windows it waits for up to a second for those who have one of the files open: scanners look at every new
// one, and a file that has several links is in use by all of them.
func RemoveAllWait(path string) error { return removeAllWait(path) }

// OpenFile is [os.OpenFile], of a file that others may rename and delete while it is open. On Windows flag may have O_RDONLY, O_WRONLY or
// O_RDWR, and O_CREATE, O_EXCL, O_TRUNC and O_APPEND; of perm only whether the owner may write counts.
func OpenFile(path string, flag int, perm os.FileMode) (*os.File, error) {
	return openFile(path, flag, perm)
}

// Truncate changes the size of f, which was opened as path: also if it was opened to append, for which Windows gives no right to that.
func Truncate(f *os.File, path string, size int64) error { return truncate(f, path, size) }

// Rename is [os.Rename]. On Windows it waits for up to a second for those who have either file open: scanners look at every new one.
func Rename(from, to string) error { return rename(from, to) }
