package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Memory is what the process uses now. It returns [os.ErrProcessDone] after its end. Where the kernel does not let us see the
// exact private part, that is what of the resident memory is neither file nor shared.
func (p *Process) Memory() (Memory, error) {
	b, err := p.read("smaps_rollup")
	if err == nil {
		return rollup(b)
	}
	if errors.Is(err, os.ErrProcessDone) {
		return Memory{}, err
	}
	if b, err = p.read("statm"); err != nil {
		return Memory{}, err
	}
	return statm(b)
}

// Threads is how many threads the process has now. It returns [os.ErrProcessDone] after its end.
func (p *Process) Threads() (int, error) {
	b, err := p.read("status")
	if err != nil {
		return 0, err
	}
	n, err := field(b, "Threads:")
	return int(n), err
}

// CPU is the CPU time that all threads of the process have used so far, to some 10 ms. It returns [os.ErrProcessDone] after its end.
func (p *Process) CPU() (user, system time.Duration, err error) {
	b, err := p.read("stat")
	if err != nil {
		return 0, 0, err
	}
	return cpuTimes(b)
}

// tick is the unit of times in /proc, the same on every system that Go runs on.
const tick = 10 * time.Millisecond

// cpuTimes reads stat: the name of the program in parentheses, which may have any bytes, then fields, of which the 12th and 13th are
// the times.
func cpuTimes(b []byte) (user, system time.Duration, err error) {
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0, 0, errors.New("stat has too few fields")
	}
	u, err := strconv.ParseUint(fields[11], 10, 62-23)
	if err != nil {
		return 0, 0, fmt.Errorf("stat: %w", err)
	}
	s, err := strconv.ParseUint(fields[12], 10, 62-23)
	if err != nil {
		return 0, 0, fmt.Errorf("stat: %w", err)
	}
	return time.Duration(u) * tick, time.Duration(s) * tick, nil
}

// read reads a file of the process in /proc. While mu is held the number is its own.
func (p *Process) read(file string) ([]byte, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.gone {
		return nil, os.ErrProcessDone
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.Pid(), file))
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrNotExist) && file != "smaps_rollup" { // a zombie has no memory
		err = os.ErrProcessDone
	}
	return b, err
}

// rollup reads smaps_rollup.
func rollup(b []byte) (m Memory, err error) {
	for _, f := range []struct {
		name string
		sum  *int64
	}{
		{"Rss:", &m.Resident},
		{"Private_Clean:", &m.Private}, {"Private_Dirty:", &m.Private}, {"Private_Hugetlb:", &m.Private},
		{"SwapPss:", &m.Private},
	} {
		kib, err := field(b, f.name)
		if err != nil {
			return m, err
		}
		*f.sum += kib << 10
	}
	return m, nil
}

// statm reads statm: pages of all, resident, and shared memory, and more.
func statm(b []byte) (Memory, error) {
	var all, resident, shared int64
	if _, err := fmt.Fscan(bytes.NewReader(b), &all, &resident, &shared); err != nil {
		return Memory{}, fmt.Errorf("statm: %w", err)
	}
	if all == 0 { // a zombie
		return Memory{}, os.ErrProcessDone
	}
	page := int64(os.Getpagesize())
	return Memory{Resident: resident * page, Private: (resident - shared) * page}, nil
}

// field is the number after a name at the begin of a line.
func field(b []byte, name string) (int64, error) {
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			return strconv.ParseInt(number, 10, 64)
		}
	}
	return 0, fmt.Errorf("it has no line %q", name)
}
