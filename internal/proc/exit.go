package proc

import (
	"fmt"
	"syscall"
	"time"
)

// Exit is how a process ended and what it used, with the processes it waited for.
type Exit struct {
	Code   int            // what it gave to exit; -1 if a signal ended it
	Signal syscall.Signal // what ended it; 0 if it ended itself
	Core   bool           // it left a core dump
	OOM    bool           // the kernel killed it because its cgroup was at its limit of memory

	User, System time.Duration // CPU time
	MaxRSS       int64         // the most memory it had at a time, in bytes; 0 if the system does not tell
}

// String is how the process ended, for people: "exit code 3", "signal 11 (SIGSEGV), core dumped".
func (e Exit) String() string {
	if e.Signal == 0 {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	s := fmt.Sprintf("signal %d", int(e.Signal))
	if name := signalName(e.Signal); name != "" {
		s += " (" + name + ")"
	}
	if e.OOM {
		s += ", out of memory in its cgroup"
	}
	if e.Core {
		s += ", core dumped"
	}
	return s
}
