//go:build !linux && !windows

package trace

// systemThreadID is 0: other systems have no number that a reader could use.
func systemThreadID() int32 { return 0 }
