package update

import (
	"os"

	"golang.org/x/sys/windows"
)

// beingWritten tells whether somebody has the file open for writing: then it cannot be opened in a way that forbids that.
func beingWritten(f *os.File) (writing, known bool) {
	name, err := windows.UTF16PtrFromString(f.Name())
	if err != nil {
		return false, false
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return busy(err), busy(err)
	}
	windows.CloseHandle(h)
	return false, true
}
