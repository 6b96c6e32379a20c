package trace

import "golang.org/x/sys/windows"

// systemThreadID is the id of the thread this runs on.
func systemThreadID() int32 { return int32(windows.GetCurrentThreadId()) }
