package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// group is the cgroup of one child.
type group struct{ dir string }

// groupsMade numbers the groups of this program. The thread of forks makes them, one at a time.
var groupsMade int

// newCgroup makes the group c asks for; nil, with notes, if the system does not let us.
func (p *Process) newCgroup(c *Cgroup) *group {
	if *c == (Cgroup{}) {
		return nil
	}
	home, err := findHome(c.Parent)
	if err != nil {
		p.noteCgroup(c, err)
		return nil
	}
	ask := *c
	if ask.MemoryMax > 0 {
		if err := home.enable("memory"); err != nil {
			p.noteLimit(ask.memory(), err)
			ask.MemoryMax = 0
		}
	}
	if ask.CPUMax > 0 {
		if err := home.enable("cpu"); err != nil {
			p.noteLimit(ask.cpu(), err)
			ask.CPUMax = 0
		}
	}
	home.sweep()
	groupsMade++
	g := &group{filepath.Join(home.dir, groupName(os.Getpid(), ask.Name, groupsMade))}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		if ask.limits() || !c.limits() { // the others have their notes
			p.noteCgroup(&ask, err)
		}
		return nil
	}
	p.setLimits(g, &ask)
	return g
}

const groupPrefix = "isapid-"

// groupName tells whose group it is, and for what.
func groupName(pid int, name string, number int) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("-_.", r):
			return r
		}
		return '_'
	}, name)
	return fmt.Sprintf("%s%d-%s-%d", groupPrefix, pid, name[:min(len(name), 100)], number)
}

// setLimits writes the limits into the files of the group.
func (p *Process) setLimits(g *group, c *Cgroup) {
	if c.MemoryMax > 0 {
		if err := g.write("memory.max", strconv.FormatUint(c.MemoryMax, 10)); err != nil {
			p.noteLimit(c.memory(), err)
		}
		g.write("memory.oom.group", "1") // before Linux 4.19 only one process is killed
	}
	if c.CPUMax > 0 {
		if err := g.write("cpu.max", cpuMax(c.CPUMax)); err != nil {
			p.noteLimit(c.cpu(), err)
		}
	}
}

// cpuMax is a share of time, in 1/1000 of a processor, as microseconds in each period. The kernel takes no less than 1 ms.
func cpuMax(share int) string {
	period := 100_000
	if share < 10 {
		period = 1_000_000
	}
	return fmt.Sprintf("%d %d", share*(period/1000), period)
}

func (g *group) write(file, value string) error {
	return os.WriteFile(filepath.Join(g.dir, file), []byte(value), 0o644)
}

// kill kills all that is in the group; from Linux 5.14.
func (g *group) kill() { g.write("cgroup.kill", "1") }

// oomKills is how many processes of the group the kernel has killed because memory was at its limit.
func (g *group) oomKills() int64 {
	b, err := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	if err != nil {
		return 0
	}
	n, _ := field(b, "oom_kill ")
	return n
}

// remove removes the group. What was killed needs a moment to be gone; what a second does not end hangs in the kernel, and
// the group stays: the next program that makes groups here removes it.
func (g *group) remove() {
	for end := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		err := os.Remove(g.dir)
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
			return
		}
	}
}

// noteCgroup notes that none of c is in force.
func (p *Process) noteCgroup(c *Cgroup, err error) {
	if c.MemoryMax > 0 {
		p.noteLimit(c.memory(), err)
	}
	if c.CPUMax > 0 {
		p.noteLimit(c.cpu(), err)
	}
	if !c.limits() {
		p.note("cgroup v2: %v: processes that leave the child's process group outlive it", err)
	}
}

func (p *Process) noteLimit(limit string, err error) {
	p.note("cgroup v2: %v: %s is not enforced by the kernel", err, limit)
}

func (c *Cgroup) limits() bool { return c.MemoryMax > 0 || c.CPUMax > 0 }
