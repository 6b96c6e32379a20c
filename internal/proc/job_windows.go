package proc

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is the job object of one child. What is in it ends when the last handle of the job is closed: this process has the only
// one, so the system ends them when this process ends, however that happens.
type group struct {
	job     windows.Handle
	process windows.Handle // the child's
}

// forker is for systems where the thread that starts a child matters.
type forker struct{}

// newGroup makes the job with the limits of s.
func (p *Process) newGroup(s *Spec) (*group, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("make a job object: %w", err)
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	basic := &limits.BasicLimitInformation
	basic.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | windows.JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION
	if err := setJob(job, windows.JobObjectExtendedLimitInformation, unsafe.Pointer(&limits), unsafe.Sizeof(limits)); err != nil {
		windows.CloseHandle(job)
		return nil, fmt.Errorf("have the system end the child when this process ends: %w", err)
	}
	p.limitJob(job, &limits, s)
	return &group{job: job}, nil
}

// limitJob adds what is asked for to the limits of the job. What the system has no such limit for is noted.
func (p *Process) limitJob(job windows.Handle, limits *windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION, s *Spec) {
	set := func(what string) {
		if err := setJob(job, windows.JobObjectExtendedLimitInformation, unsafe.Pointer(limits), unsafe.Sizeof(*limits)); err != nil {
			p.note("%s: %v: it is not enforced", what, err)
		}
	}
	basic := &limits.BasicLimitInformation
	if n := s.Limits.Processes; n != nil && *n != Unlimited {
		basic.LimitFlags |= windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS
		basic.ActiveProcessLimit = uint32(min(*n, 1<<31))
		set("limit of processes")
	}
	if n := s.Limits.CPUSeconds; n != nil && *n != Unlimited {
		basic.LimitFlags |= windows.JOB_OBJECT_LIMIT_PROCESS_TIME
		basic.PerProcessUserTimeLimit = int64(min(*n, 1<<32)) * int64(time.Second/100)
		set("limit of CPU seconds")
	}
	if n := s.Cgroup.MemoryMax; n > 0 {
		limits.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_JOB_MEMORY
		limits.JobMemoryLimit = uintptr(min(n, uint64(^uintptr(0))))
		set(s.Cgroup.memory())
	}
	if n := s.Cgroup.CPUMax; n > 0 {
		if err := setCPURate(job, n, int(windows.GetActiveProcessorCount(windows.ALL_PROCESSOR_GROUPS))); err != nil {
			p.note("%s: %v: it is not enforced", s.Cgroup.cpu(), err)
		}
	}
	if s.NoNewPrivileges {
		p.note("no new privileges: Windows has no such thing: a program gets more rights by a prompt only, which a service has not")
	}
	if s.Cgroup.Parent != "" {
		p.note("cgroup parent: Windows has no cgroups: the child is in a job object of its own")
	}
	for _, l := range []struct {
		name  string
		value *uint64
		none  uint64 // what holds anyway
	}{
		{"files", s.Limits.Files, Unlimited},
		{"address space", s.Limits.AddressSpace, Unlimited},
		{"file size", s.Limits.FileSize, Unlimited},
		{"core", s.Limits.Core, 0},
		{"locked memory", s.Limits.LockedMemory, Unlimited},
	} {
		if l.value != nil && *l.value != l.none {
			p.note("limit of %s: Windows has none", l.name)
		}
	}
}

// setCPURate gives a job a share of time, in 1/1000 of a processor. The system counts in 1/10000 of all processors.
func setCPURate(job windows.Handle, share, processors int) error {
	const enable, hardCap = 1, 4 // JOB_OBJECT_CPU_RATE_CONTROL_…
	rate := struct{ flags, rate uint32 }{enable | hardCap, uint32(min(max(share*10/max(processors, 1), 1), 10_000))}
	return setJob(job, windows.JobObjectCpuRateControlInformation, unsafe.Pointer(&rate), unsafe.Sizeof(rate))
}

func setJob(job windows.Handle, class uint32, info unsafe.Pointer, size uintptr) error {
	_, err := windows.SetInformationJobObject(job, class, uintptr(info), uint32(size))
	return err
}

// kill ends all that is in the job. It is no error if nothing is.
func (g *group) kill() error {
	if err := windows.TerminateJobObject(g.job, killCode); err != nil {
		return fmt.Errorf("end the job of process: %w", err)
	}
	return nil
}

// killed tells whether kill ended the child, rather than something else.
func killed(code uint32) bool { return code == killCode }

// killCode is what ends with who was killed: of the range that is neither the system's nor for exit codes that programs use.
const killCode = 0x69736170 // "isap"

// empty kills what the child has left and waits until it is gone: it may have the child's files open. What a second does not end
// hangs in the system.
func (g *group) empty() {
	_ = g.kill() // there is no second way
	for end := time.Now().Add(time.Second); g.size() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// size is how many processes are in the job.
func (g *group) size() int {
	var info struct { // JOBOBJECT_BASIC_ACCOUNTING_INFORMATION
		userTime, kernelTime, periodUserTime, periodKernelTime int64
		pageFaults, processes, active, terminated              uint32
	}
	if windows.QueryInformationJobObject(g.job, windows.JobObjectBasicAccountingInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)), nil) != nil {
		return 0
	}
	return int(info.active)
}

func (g *group) close() {
	windows.CloseHandle(g.process)
	windows.CloseHandle(g.job) // and the system ends what empty could not
}
