//go:build !windows

package worker

// setEnvironment has nothing to do: a process has the variables that it was started with.
func setEnvironment([]string) {}
