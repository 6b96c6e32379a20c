package worker

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/proc/sandbox"
)

// outliveSignals has this process outlive Ctrl-C, Ctrl-Break and the end of the console or the session, which are for the front: it says
// when a worker ends, and Windows ends those that are left.
func outliveSignals() { signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM) }

// noDialogs has the system tell errors to who caused them: nobody is there to click them away, and a worker that waits for that hangs.
func noDialogs() {
	windows.SetErrorMode(windows.SEM_FAILCRITICALERRORS | windows.SEM_NOGPFAULTERRORBOX | windows.SEM_NOOPENFILEERRORBOX)
}

// keepTogether has what images start end with this process.
func keepTogether() error { return sandbox.KeepTogether() }
