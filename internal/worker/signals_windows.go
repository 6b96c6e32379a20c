package worker

import (
	"os"
	"os/signal"
	"syscall"
	"time"

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

// leave ends this process at once. The usual end would run the last code of images that are still loaded, on a thread that can call nothing of ours
// any more, while all other threads are gone: it could hang. What they have written to files of the C runtimes is kept.
func leave(code int) {
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		for _, name := range runtimes {
			if flush := windows.NewLazySystemDLL(name).NewProc("_flushall"); flush.Find() == nil {
				_, _, _ = flush.Call()
			}
		}
	}()
	select {
	case <-flushed:
	case <-time.After(time.Second): // a thread hangs that has a file locked
	}
	_ = windows.TerminateProcess(windows.CurrentProcess(), uint32(code))
}
