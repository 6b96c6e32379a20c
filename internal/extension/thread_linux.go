package extension

import "golang.org/x/sys/unix"

// threadID is the id of the thread this runs on.
func threadID() int { return unix.Gettid() }
