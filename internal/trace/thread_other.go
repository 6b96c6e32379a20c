//go:build !linux

package trace

// threadID is 0: other systems have no number that a reader could use.
func threadID() int32 { return 0 }
