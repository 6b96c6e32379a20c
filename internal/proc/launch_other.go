//go:build !linux && !windows

package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"time"
)

type (
	group  struct{}
	forker struct{}
)

// launch starts the program.
func (p *Process) launch(s *Spec, path string, args []string, attr *os.ProcAttr) (err error) {
	if s.User != "" || s.Group != "" {
		return fmt.Errorf("user and group cannot be chosen on %s: leave them out", runtime.GOOS)
	}
	for what, asked := range map[string]bool{
		"nice": s.Nice != 0, "resource limits": s.Limits != Limits{}, "cgroup": s.Cgroup != Cgroup{}, "no new privileges": s.NoNewPrivileges,
	} {
		if asked {
			p.notes = append(p.notes, fmt.Sprintf("%s: not on %s", what, runtime.GOOS))
		}
	}
	p.process, err = os.StartProcess(path, args, attr)
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

func (p *Process) await() {
	p.result(p.process.Wait())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
}

// Kill ends the process at once. It is no error if it has ended.
func (p *Process) Kill() error {
	if err := p.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.Pid(), err)
	}
	return nil
}

// Memory is not known on this system.
func (p *Process) Memory() (Memory, error) { return Memory{}, errors.ErrUnsupported }

// Threads is not known on this system.
func (p *Process) Threads() (int, error) { return 0, errors.ErrUnsupported }

// CPU is not known on this system before the process has ended.
func (p *Process) CPU() (user, system time.Duration, err error) { return 0, 0, errors.ErrUnsupported }

// Signal sends s to the process. It returns [os.ErrProcessDone] if that has ended.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.process.Signal(s); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return fmt.Errorf("send %v to process %d: %w", s, p.Pid(), err)
	}
	return nil
}

func (p *Process) cleanUp() {}

func (e *Exit) fill(state *os.ProcessState) {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal, e.Core = status.Signal(), status.CoreDump()
	}
}

func signalString(s syscall.Signal) string { return fmt.Sprintf("signal %d", int(s)) }
