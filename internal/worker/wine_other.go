//go:build !windows

package worker

// wineVersion: this is no Windows program.
func wineVersion() string { return "" }
