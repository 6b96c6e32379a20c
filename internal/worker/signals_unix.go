//go:build unix

package worker

import (
	"os"
	"os/signal"
	"syscall"
)

// outliveSignals has this process outlive SIGUSR1, which is for the front, and which some send to all processes of a service. It is not
// ignored: then programs that extensions start would ignore it, too.
func outliveSignals() { signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1) }

// noDialogs: there are none.
func noDialogs() {}

// keepTogether: the front ends what is in the process group.
func keepTogether() error { return nil }

// leave does nothing: a process of Go's ends at once, whatever is loaded.
func leave(int) {}
