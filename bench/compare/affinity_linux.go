package main

import "golang.org/x/sys/unix"

// useOneProcessor keeps the thread that calls it, and what it starts, on one processor for good.
func useOneProcessor() error {
	var one unix.CPUSet
	one.Set(0)
	return unix.SchedSetaffinity(0, &one)
}
