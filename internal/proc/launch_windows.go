package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// launch starts the program. On success p has what cleanUp gives back.
func (p *Process) launch(s *Spec, path string, args []string, attr *os.ProcAttr) (err error) {
	if s.User != "" || s.Group != "" {
		return errors.New("user and group cannot be chosen on Windows, where a child runs as this process does: leave them out")
	}
	if s.Stream != nil {
		return errors.New("there is no descriptor 3 on Windows: a child is spoken to by its standard input and output")
	}
	if p.group, err = p.newGroup(s); err != nil {
		return err
	}
	pid, err := p.group.create(path, args, attr, s.Nice)
	if err != nil {
		windows.CloseHandle(p.group.job)
		return explain(s, path, err)
	}
	if p.process, err = os.FindProcess(pid); err != nil { // we have its handle: the number is still its own
		p.group.empty()
		p.group.close()
		return err
	}
	return nil
}

// await waits for the process, and ends what it left in its job.
func (p *Process) await() {
	state, err := p.process.Wait()
	p.result(state, err)
	if p.exit.MaxRSS, err = p.group.peak(); err != nil {
		p.exit.MaxRSS = 0
	}
	p.mu.Lock()
	p.gone = true
	p.mu.Unlock()
	p.group.empty()
}

// Kill ends the process, and what it started, at once. It is no error if they have ended.
func (p *Process) Kill() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.gone {
		return nil
	}
	return p.group.kill()
}

// Signal sends s to the process: SIGKILL, which is Kill. Windows has no other signals. It returns [os.ErrProcessDone] if the
// process has ended.
func (p *Process) Signal(s syscall.Signal) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	switch {
	case p.gone:
		return os.ErrProcessDone
	case s != syscall.SIGKILL:
		return fmt.Errorf("send %v to process %d: Windows has no such signal", s, p.Pid())
	}
	return p.group.kill()
}

// cleanUp gives back what launch took. The process has ended.
func (p *Process) cleanUp() { p.group.close() }

func (p *Process) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

func (e *Exit) fill(*os.ProcessState) {
	if killed(uint32(e.Code)) {
		e.Code, e.Signal = -1, syscall.SIGKILL
	}
}

func signalString(syscall.Signal) string { return "killed" }
