package pool

import (
	"time"

	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/trace"
)

// Process is a worker of a pool that runs.
type Process struct {
	Worker string // its name
	Pid    int
	Board  func() (trace.Board, bool) // what its threads were last doing; false: that cannot be known
}

// Processes are the workers that run.
func (p *Pool) Processes() (list []Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sl := range p.slots {
		if b, ok := sl.process.(interface{ Board() (trace.Board, bool) }); ok {
			list = append(list, Process{sl.name, sl.process.Pid(), b.Board})
		}
	}
	return list
}

// Relevel has the workers know from which level on lines of their images are logged.
func (p *Pool) Relevel() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sl := range p.slots {
		if w, ok := sl.process.(interface{ Relevel() }); ok {
			w.Relevel()
		}
	}
}

// used fills in what a process is, and what it has used.
func (w *WorkerStatus) used(by process) {
	if is, ok := by.(interface{ Platform() remote.Platform }); ok {
		p := is.Platform()
		w.Platform, w.Wine = p.System+"/"+p.Arch, p.Wine
	}
	if c, ok := by.(interface {
		CPU() (user, system time.Duration, err error)
	}); ok {
		if user, system, err := c.CPU(); err == nil {
			w.CPU = Seconds(user + system)
		}
	}
	if t, ok := by.(interface{ Threads() (int, error) }); ok {
		if n, err := t.Threads(); err == nil {
			w.Threads = n
		}
	}
}
