package main

import (
	"os"
	"runtime/debug"
)

// gcPercent instead of Go's 100: the live heap of this program is a few MiB, so that collections come every few milliseconds
// under load, and each stops threads that are inside extensions. It costs about 12 MiB of memory.
const gcPercent = 400

// collectLess sets it, unless whoever runs the program has set GOGC.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
