package proc

import (
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Memory is what the process uses now. Resident is its working set, Private what the system has promised it for itself, in memory or
// not. It returns [os.ErrProcessDone] after its end.
func (p *Process) Memory() (m Memory, err error) {
	err = p.look(func(process windows.Handle) error {
		c, err := memoryCounters(process)
		m = Memory{Resident: int64(c.workingSet), Private: int64(c.private)}
		return err
	})
	return m, err
}

// Threads is how many threads the process has now. It returns [os.ErrProcessDone] after its end.
func (p *Process) Threads() (n int, err error) {
	err = p.look(func(windows.Handle) error {
		n, err = threadsOf(uint32(p.Pid()))
		return err
	})
	return n, err
}

// CPU is the CPU time that all threads of the process have used so far. It returns [os.ErrProcessDone] after its end.
func (p *Process) CPU() (user, system time.Duration, err error) {
	err = p.look(func(process windows.Handle) error {
		var begun, ended, k, u windows.Filetime
		err := windows.GetProcessTimes(process, &begun, &ended, &k, &u)
		user, system = duration(u), duration(k)
		return err
	})
	return user, system, err
}

// look calls with the handle of a process that has not ended.
func (p *Process) look(with func(process windows.Handle) error) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.gone {
		return os.ErrProcessDone
	}
	if state, err := windows.WaitForSingleObject(p.group.process, 0); err == nil && state == windows.WAIT_OBJECT_0 {
		return os.ErrProcessDone
	}
	return with(p.group.process)
}

// peak is the most memory that the process had at a time. It may have ended.
func (g *group) peak() (int64, error) {
	c, err := memoryCounters(g.process)
	return int64(c.peakWorkingSet), err
}

// counters are PROCESS_MEMORY_COUNTERS_EX.
type counters struct {
	size, faults                                                              uint32
	peakWorkingSet, workingSet                                                uintptr
	peakPaged, paged, peakNonPaged, nonPaged, pagefile, peakPagefile, private uintptr
}

var getProcessMemoryInfo = windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")

func memoryCounters(process windows.Handle) (c counters, err error) {
	c.size = uint32(unsafe.Sizeof(c))
	if ok, _, err := getProcessMemoryInfo.Call(uintptr(process), uintptr(unsafe.Pointer(&c)), uintptr(c.size)); ok == 0 {
		return counters{}, os.NewSyscallError("GetProcessMemoryInfo", err)
	}
	return c, nil
}

// threadsOf asks the system's list of processes.
func threadsOf(pid uint32) (int, error) {
	list, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return 0, os.NewSyscallError("CreateToolhelp32Snapshot", err)
	}
	defer windows.CloseHandle(list)
	var entry windows.ProcessEntry32
	entry.Size = uint32(unsafe.Sizeof(entry))
	for err = windows.Process32First(list, &entry); err == nil; err = windows.Process32Next(list, &entry) {
		if entry.ProcessID == pid {
			return int(entry.Threads), nil
		}
	}
	if errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		return 0, os.ErrProcessDone
	}
	return 0, os.NewSyscallError("Process32Next", err)
}

// duration is a time in units of 100 ns.
func duration(t windows.Filetime) time.Duration {
	return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
}
