package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// launch starts the program. On success p has what cleanUp gives back.
func (p *Process) launch(s *Spec, path string, args []string, attr *os.ProcAttr) (err error) {
	attr.Sys = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if attr.Sys.Credential, err = credential(s.User, s.Group); err != nil {
		return err
	}
	p.forker = &forks
	if s.NoNewPrivileges {
		p.forker = &strictForks
	}
	err = p.forker.acquire()
	defer func() {
		if err != nil {
			p.forker.release()
		}
	}()
	if err != nil {
		return err
	}
	p.forker.do(func() {
		if e := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); e != nil { // C code opens without O_CLOEXEC
			p.note("descriptors: close_range: %v: those opened without close-on-exec reach the child", e)
		}
		p.group = p.newCgroup(&s.Cgroup)
		err = p.fork(path, args, attr)
		if err != nil && p.group != nil { // clone3 with a group may be refused where clone is not
			group, cause := p.group, err
			p.group = nil
			if err = p.fork(path, args, attr); err == nil {
				p.noteCgroup(&s.Cgroup, explain(s, path, cause))
			}
			group.remove()
		}
		if err == nil {
			p.limit(&s.Limits)
			p.renice(s.Nice)
		}
	})
	if err != nil {
		return explain(s, path, err)
	}
	return nil
}

// fork starts the program on the thread it is called on, in the process's cgroup if it has one.
func (p *Process) fork(path string, args []string, attr *os.ProcAttr) (err error) {
	attr.Sys.UseCgroupFD = p.group != nil
	if p.group != nil {
		folder, err := os.Open(p.group.dir)
		if err != nil {
			return err
		}
		defer folder.Close()
		attr.Sys.CgroupFD = int(folder.Fd())
	}
	start := func() error {
		p.process, err = os.StartProcess(path, args, attr)
		return err
	}
	if p.wine {
		return WithoutChance(start)
	}
	return start()
}

// await waits for the process, kills what it left in its group, and only then takes its number back: as long as it is a zombie,
// the number of the process and the group is nobody else's.
func (p *Process) await() {
	var err error = unix.EINTR
	for errors.Is(err, unix.EINTR) {
		err = unix.Waitid(unix.P_PID, p.Pid(), nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.killGroup()
	}
	p.result(p.process.Wait())
	p.gone = true
	if p.group != nil {
		p.exit.OOM = p.exit.Signal == syscall.SIGKILL && p.group.oomKills() > 0
	}
}

// Kill ends the process, its process group and its cgroup at once (SIGKILL). It is no error if they have ended.
func (p *Process) Kill() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.gone {
		return nil
	}
	return p.killGroup()
}

// killGroup needs mu.
func (p *Process) killGroup() error {
	if p.group != nil {
		p.group.kill()
	}
	if err := syscall.Kill(-p.Pid(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return os.NewSyscallError("kill", err)
	}
	return nil
}

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

// cleanUp gives back what launch took. The process has ended.
func (p *Process) cleanUp() {
	if p.group != nil {
		p.group.remove()
	}
	p.forker.release()
}

func (e *Exit) fill(state *os.ProcessState) {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal, e.Core = status.Signal(), status.CoreDump()
	}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		e.MaxRSS = int64(usage.Maxrss) << 10 // 32 bits on some
	}
}

func signalString(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return fmt.Sprintf("signal %d (%s)", int(s), name)
	}
	return fmt.Sprintf("signal %d", int(s))
}
