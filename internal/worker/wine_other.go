//go:build !windows

package worker

// wineVersion: this is no Windows program.
func wineVersion() string { return "" }

// setEnvironment has nothing to do: a process has the variables that it was started with.
func setEnvironment([]string) {}
