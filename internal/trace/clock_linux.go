package trace

import "golang.org/x/sys/unix"

// Clock is now by the clock of boards, in nanoseconds, which is the same in all processes; 0: it cannot be read.
func Clock() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return t.Nano()
}
