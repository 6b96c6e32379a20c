package trace

import "golang.org/x/sys/unix"

// systemThreadID is the id of the thread this runs on.
func systemThreadID() int32 { return int32(unix.Gettid()) }
