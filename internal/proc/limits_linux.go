package proc

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

func (p *Process) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// limit sets the resource limits of the child.
func (p *Process) limit(l *Limits) {
	for _, r := range []struct {
		name     string
		resource int
		value    *uint64
	}{
		{"files", unix.RLIMIT_NOFILE, l.Files},
		{"processes", unix.RLIMIT_NPROC, l.Processes},
		{"address space", unix.RLIMIT_AS, l.AddressSpace},
		{"CPU seconds", unix.RLIMIT_CPU, l.CPUSeconds},
		{"file size", unix.RLIMIT_FSIZE, l.FileSize},
		{"core", unix.RLIMIT_CORE, l.Core},
		{"locked memory", unix.RLIMIT_MEMLOCK, l.LockedMemory},
	} {
		if r.value == nil {
			continue
		}
		err := unix.Prlimit(p.Pid(), r.resource, &unix.Rlimit{Cur: *r.value, Max: *r.value}, nil)
		if errors.Is(err, unix.EPERM) {
			var now unix.Rlimit
			if unix.Prlimit(p.Pid(), r.resource, nil, &now) == nil && now.Max < *r.value {
				now.Cur = now.Max
				if unix.Prlimit(p.Pid(), r.resource, &now, nil) == nil {
					p.note("limit of %s: only root can raise it to %s: it is %s, the hard limit of this process", r.name, limitString(*r.value), limitString(now.Max))
					continue
				}
			}
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended already
			p.note("limit of %s: %v: it is not set to %s", r.name, err, limitString(*r.value))
		}
	}
}

func limitString(n uint64) string {
	if n == Unlimited {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// renice adds to the niceness of the child. Niceness is a thread's, and the child's first threads may be there already: so it is
// set for the whole process group, and once more for a thread that was being made at that moment.
func (p *Process) renice(add int) {
	if add == 0 {
		return
	}
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	for range 2 {
		if err == nil {
			err = unix.Setpriority(unix.PRIO_PGRP, p.Pid(), 20-own+add) // the system call returns 20 - niceness
		}
	}
	switch {
	case err == nil, errors.Is(err, unix.ESRCH):
	case add < 0:
		p.note("nice %d: %v: only root, or a process with the right CAP_SYS_NICE, can start one nicer to itself than to others", add, err)
	default:
		p.note("nice %d: %v: the child is as nice as this process", add, err)
	}
}
