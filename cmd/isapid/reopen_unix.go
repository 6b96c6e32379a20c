//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// reopenSignals have log files opened again.
var reopenSignals = []os.Signal{syscall.SIGUSR1}

// outliveReopening has this process outlive such a signal while it has no log file yet: a server that reads its configuration, or that
// compiles. They would end it.
func outliveReopening() { signal.Notify(make(chan os.Signal, 1), reopenSignals...) }
