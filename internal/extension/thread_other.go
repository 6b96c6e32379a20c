//go:build !linux && !windows

package extension

// threadID is the id of the thread this runs on: nobody asks where there are no threads of our own.
func threadID() int { return 0 }
