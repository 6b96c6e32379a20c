//go:build unix

package main

import (
	"os"
	"syscall"
)

// reopenSignals have log files opened again.
var reopenSignals = []os.Signal{syscall.SIGUSR1}
