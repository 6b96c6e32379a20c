package proc

import (
	"fmt"
	"syscall"
	"time"
)

// Exit is how a process ended and what it used, with the processes it waited for.
type Exit struct {
	Code   int            // what it gave to exit; -1 if a signal ended it
	Signal syscall.Signal // what ended it; 0 if it ended itself. On Windows SIGKILL if [Process.Kill] did
	Core   bool           // it left a core dump
	OOM    bool           // the kernel killed it because its cgroup was at its limit of memory
	Wine   bool           // it was a Windows program under Wine, of whose exit code Code has the low 8 bits

	User, System time.Duration // CPU time
	MaxRSS       int64         // the most memory it had at a time, in bytes; 0 if the system does not tell
}

// String is how the process ended, for people: "exit code 3", "signal 11 (SIGSEGV), core dumped",
// "exit code 0xc0000005 (access violation)".
func (e Exit) String() string {
	if e.Signal == 0 {
		return e.codeString()
	}
	s := signalString(e.Signal)
	if e.OOM {
		s += ", out of memory in its cgroup"
	}
	if e.Core {
		s += ", core dumped"
	}
	return s
}

// codeString is the exit code. That of a Windows program which the system ended is the exception it ended with.
func (e Exit) codeString() string {
	if e.Wine {
		for _, s := range statuses {
			if e.Code == int(s.code&0xff) && e.Code > lowest {
				return fmt.Sprintf("exit code %d (the low 8 bits, most likely of %#x, %s)", e.Code, s.code, s.name)
			}
		}
		return fmt.Sprintf("exit code %d", e.Code)
	}
	code := uint32(e.Code)
	for _, s := range statuses {
		if code == s.code {
			return fmt.Sprintf("exit code %#x (%s)", code, s.name)
		}
	}
	if e.Code < -1 || e.Code > 0xffff { // numbers of systems
		return fmt.Sprintf("exit code %#x", code)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// lowest is up to where an exit code of 8 bits is most likely the program's own: 1 and 2 are those of Go, 3 is that of abort in C.
const lowest = 3

// statuses are codes that Windows ends programs with, the more likely ones first.
var statuses = []struct {
	code uint32
	name string
}{
	{0xc0000005, "access violation"},
	{0xc00000fd, "stack overflow"},
	{0xc0000374, "heap corruption"},
	{0xc0000409, "stack buffer overrun, or the program ended itself at once"},
	{0xe06d7363, "C++ exception that nobody caught"},
	{0x0eedfade, "Delphi exception that nobody caught"},
	{0xe0434352, ".NET exception that nobody caught"},
	{0xc0000094, "integer division by zero"},
	{0xc000008e, "division by zero"},
	{0xc0000095, "integer overflow"},
	{0xc000001d, "illegal instruction"},
	{0xc0000096, "privileged instruction"},
	{0xc0000006, "a page of a file could not be read"},
	{0xc0000017, "out of memory"},
	{0xc000012d, "out of memory that can be promised"},
	{0xc000013a, "ended by Ctrl-C, or because its console was closed"},
	{0xc0000135, "a DLL was not found"},
	{0xc0000138, "a DLL lacks a function that is imported by its number"},
	{0xc0000139, "a DLL lacks a function that is imported"},
	{0xc0000142, "a DLL failed to start"},
	{0xc0000602, "the program ended itself at once"},
	{0xc0000420, "assertion failure"},
	{0x80000003, "breakpoint"},
	{0x40000015, "the program ended itself with an error"},
}
