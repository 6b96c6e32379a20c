//go:build !windows

package testext

// UnderWine tells whether this system is Wine, which is not Windows in every respect.
func UnderWine() bool { return false }
