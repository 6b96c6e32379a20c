package proc

import (
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// Self is what this process uses: memory, threads and CPU time. What cannot be told is 0.
func Self() (m Memory, threads int, cpu time.Duration) {
	self := windows.CurrentProcess()
	if c, err := memoryCounters(self); err == nil {
		m = Memory{Resident: int64(c.workingSet), Private: int64(c.private)}
	}
	var begun, ended, k, u windows.Filetime
	if windows.GetProcessTimes(self, &begun, &ended, &k, &u) == nil {
		cpu = duration(k) + duration(u)
	}
	threads, _ = threadsOf(uint32(os.Getpid())) // 0 with an error
	return m, threads, cpu
}
