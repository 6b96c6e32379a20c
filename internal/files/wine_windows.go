package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// removeUnderWine is removeAll where a link of Unix does not look like one: who removes it removes what it leads to. So it is left, with an
// error. where is what the path is found to lead to if it is no link; "" if that does not matter.
func removeUnderWine(path, where string) error {
	real, err := leadsTo(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	case where != "" && !strings.EqualFold(real, where):
		return fmt.Errorf("remove %q: it is a link of Unix, which Wine does not know how to remove", path)
	}
	st, err := os.Lstat(path)
	if err == nil && st.IsDir() {
		return removeFolder(path, func(path string) error {
			return removeUnderWine(path, real+`\`+filepath.Base(path))
		})
	}
	if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// leadsTo is the path of what a path leads to.
func leadsTo(path string) (string, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return "", err
	}
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	h, err := windows.CreateFile(name, windows.FILE_READ_ATTRIBUTES, share, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return "", err
	}
	defer windows.CloseHandle(h)
	buffer := make([]uint16, 32<<10)
	n, err := windows.GetFinalPathNameByHandle(h, &buffer[0], uint32(len(buffer)), 0)
	if err == nil && int(n) > len(buffer) {
		err = windows.ERROR_FILENAME_EXCED_RANGE
	}
	if err != nil {
		return "", err
	}
	return windows.UTF16ToString(buffer[:n]), nil
}
