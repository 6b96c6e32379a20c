package front

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/admin"
)

// ownProcess is what this process has used.
func ownProcess() (p admin.Process) {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) == nil {
		p.CPU = admin.Seconds(use.Utime.Nano() + use.Stime.Nano())
	}
	text, _ := os.ReadFile("/proc/self/status") // without it the rest is not known
	for line := range bytes.Lines(text) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		number, _, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
		n, err := strconv.ParseInt(string(number), 10, 64)
		switch {
		case err != nil:
		case string(name) == "Threads":
			p.Threads = int(n)
		case string(name) == "VmRSS":
			p.Resident = n << 10
		}
	}
	return p
}
