package front

import (
	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/proc"
)

// ownProcess is what this process has used.
func ownProcess() admin.Process {
	m, threads, cpu := proc.Self()
	return admin.Process{CPU: admin.Seconds(cpu), Threads: threads, Resident: m.Resident}
}
