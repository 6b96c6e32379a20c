package systemd

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the clock that the manager compares with its own.
func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail for this clock
	return time.Duration(t.Nano())
}
