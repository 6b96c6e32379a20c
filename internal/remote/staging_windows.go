package remote

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

const nonblock = 0

// lockFolder locks a folder: it opens it to write, which nobody else can do then, nor remove it; what is in it is not concerned. Closing
// the file, and the end of the process, unlock it. It fails if somebody else has it, or if the folder is not there any more.
func lockFolder(path string) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const how = windows.FILE_FLAG_BACKUP_SEMANTICS | windows.FILE_FLAG_OPEN_REPARSE_POINT
	h, err := windows.CreateFile(name, windows.FILE_WRITE_DATA|windows.FILE_READ_ATTRIBUTES, windows.FILE_SHARE_READ, nil, windows.OPEN_EXISTING, how, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// ownedByMe is true: nobody else can remove what a user has made in his folder.
func ownedByMe(os.FileInfo) bool { return true }
