package trace

import "golang.org/x/sys/unix"

// threadID is the id of the thread this runs on.
func threadID() int32 { return int32(unix.Gettid()) }
