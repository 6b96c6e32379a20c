package extension

import "golang.org/x/sys/windows"

// threadID is the id of the thread this runs on.
func threadID() int { return int(windows.GetCurrentThreadId()) }
