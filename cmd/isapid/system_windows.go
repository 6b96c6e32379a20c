package main

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// reopenSignals are none here: "isapid reopen" has log files opened again.
var reopenSignals []os.Signal

func outliveReopening() {}

// fileID is "": there is no journal here.
func fileID(*os.File) string { return "" }

// closeLimit is how long running requests may take when the window is closed, or the session or the system ends: Windows kills the process
// after 5 s.
const closeLimit = 3 * time.Second

// drainLimitAfter is how long running requests may take after a signal. Ctrl-C and Ctrl-Break are an [os.Interrupt].
func drainLimitAfter(s os.Signal) time.Duration {
	if s == syscall.SIGTERM {
		return closeLimit
	}
	return drainLimit
}

// appendTo opens a file to add to it. Others may read, rename and remove it meanwhile, as programs do that keep logs small.
func appendTo(name string) (*os.File, error) {
	path, err := windows.UTF16PtrFromString(name)
	if err == nil {
		var h windows.Handle
		h, err = windows.CreateFile(path, windows.FILE_APPEND_DATA|windows.SYNCHRONIZE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
			nil, windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_NORMAL, 0)
		if err == nil {
			return os.NewFile(uintptr(h), name), nil
		}
	}
	return nil, &os.PathError{Op: "open", Path: name, Err: err}
}
