//go:build unix

package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// reopenSignals have log files opened again.
var reopenSignals = []os.Signal{syscall.SIGUSR1}

// outliveReopening has this process outlive such a signal while it has no log file yet: a server that reads its configuration, or that
// compiles. They would end it.
func outliveReopening() { signal.Notify(make(chan os.Signal, 1), reopenSignals...) }

// fileID is device and number of an open file, as the journal writes them; "" if they cannot be found.
func fileID(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}

// drainLimitAfter is how long running requests may take after a signal.
func drainLimitAfter(os.Signal) time.Duration { return drainLimit }

// appendTo opens a file to add to it.
func appendTo(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
}
