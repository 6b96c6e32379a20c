package executortest

import "testing"

// DLL compiles the fixture for windows/arch and answers the library, under the name it is to have.
func (b *Behaviour) DLL(t testing.TB, arch string) string {
	t.Helper()
	lib := Images{DLL: arch}.fixture(t, b.Fixture)
	if b.As == "" {
		return lib
	}
	return renamed(t, lib, b.As)
}

// violation is what a fault of most fixtures says.
const violation = "EXCEPTION_ACCESS_VIOLATION (writing) accessing 0x10"

// contained is what comes of a fault that is: the answer is 500, and the worker is replaced when the others have theirs.
func contained(log string) Expectation {
	return Expectation{Survives: true, Status: []int{500}, Log: log, Replaced: true}
}

// deadly is what comes of a request of which its worker dies, each time.
func deadly(log string) Expectation {
	return Expectation{Survives: true, Status: []int{502}, Log: log, Replaced: true, Note: again}
}

// MatrixOfDLLs is the fault matrix of DLLs in workers of their own. What a DLL itself calls to end the process is contained; what its C
// library or the loader does for it is not. Where the system itself gives up, Wine shows the signal.
var MatrixOfDLLs = []Behaviour{
	{Name: "Crash in DllMain", Fixture: "crash_at", As: "attach-segv", When: AtLoad, Isolated: Expectation{Survives: true, Log: "attach-segv"}},
	{Name: "Crash in GetExtensionVersion", Fixture: "crash_at", As: "version-segv", When: AtLoad,
		Isolated: Expectation{Survives: true, Log: "GetExtensionVersion: " + violation}},
	{Name: "exit in GetExtensionVersion", Fixture: "crash_at", As: "version-exit", When: AtLoad,
		Isolated: Expectation{Survives: true, Log: "GetExtensionVersion: called exit(3)"}},
	{Name: "exit in DllMain", Fixture: "crash_at", As: "attach-exit", When: AtLoad, Isolated: Expectation{Survives: true, Log: "exit code 3", Replaced: true}},
	{Name: "GetExtensionVersion never returns", Fixture: "havocload", As: "version-hang", When: AtLoad,
		Isolated: Expectation{Survives: true, Log: "not done after", Replaced: true, Note: "after `startup_limit`"}},

	{Name: "Crash", Fixture: "crash", Query: "segv", Isolated: contained(violation)},
	{Name: "Crash, POST", Fixture: "crash", Query: "segv", Method: "POST", Body: "x=1", Isolated: contained(violation)},
	{Name: "Crash after half of the response", Fixture: "crash", Query: "sent-segv",
		Isolated: Expectation{Survives: true, Status: []int{Broken}, Log: violation, Replaced: true}},
	{Name: "Division by zero", Fixture: "crash", Query: "fpe", Isolated: contained("EXCEPTION_INT_DIVIDE_BY_ZERO")},
	{Name: "Call of a function that is not there", Fixture: "crash", Query: "null-call", Isolated: contained("EXCEPTION_ACCESS_VIOLATION")},
	{Name: "An exception nobody catches", Fixture: "throw", Query: "throw", Isolated: contained("runtime_error")},
	{Name: "A structured exception nobody catches", Fixture: "crash", Query: "own-exception", Isolated: contained("0xe0000001")},
	{Name: "Stack overflow", Fixture: "crash", Query: "overflow", Isolated: contained("EXCEPTION_STACK_OVERFLOW")},
	{Name: "Crash in a completion callback", Fixture: "crash", Query: "completion-segv", Isolated: contained(violation)},
	{Name: "Crash in a thread of its own", Fixture: "crash", Query: "thread-segv", Isolated: contained(violation)},

	{Name: "abort", Fixture: "crash", Query: "abort", Isolated: contained("called abort()")},
	{Name: "std::terminate", Fixture: "throw", Query: "terminate", Isolated: contained("called abort()")},
	{Name: "exit", Fixture: "crash", Query: "exit", Isolated: contained("called exit(3)")},
	{Name: "_exit", Fixture: "crash", Query: "_exit", Isolated: contained("called _exit(4)")},
	{Name: "ExitProcess", Fixture: "crash", Query: "quick_exit", Isolated: contained("called ExitProcess(5)")},
	{Name: "Killed by the system", Fixture: "process", Query: "kill", Isolated: contained("called TerminateProcess(9)")},
	{Name: "assert", Fixture: "crash", Query: "assert", Isolated: contained("called assert()")},
	{Name: "A stack pointer that points nowhere, POST", Fixture: "crash", Query: "no-stack", Method: "POST", Body: "x=1",
		Isolated: Expectation{Survives: true, Status: []int{502}, Log: "signal 11 (SIGSEGV)", Replaced: true, Note: "not run again"}},
	{Name: "A stack pointer that points nowhere", Fixture: "crash", Query: "no-stack", Isolated: deadly("signal 11 (SIGSEGV)")},
	{Name: "TerminateProcess", Fixture: "crash", Query: "terminate-process", Isolated: contained("called TerminateProcess(6)")},

	{Name: "Runs for ever", Fixture: "havoc", Query: "spin", Isolated: Expectation{Survives: true, Status: []int{504}, Log: "", Replaced: true}},
	{Name: "Waits for itself", Fixture: "havoc", Query: "deadlock", Isolated: Expectation{Survives: true, Status: []int{504}, Log: "", Replaced: true}},
	{Name: "PENDING, and never done", Fixture: "havoc", Query: "never", Isolated: Expectation{Survives: true, Status: []int{504}, Log: "", Replaced: true}},

	{Name: "Writes to standard output", Fixture: "havoc", Query: "stdout&bytes=1000000", Isolated: Expectation{Survives: true, Status: []int{200}}},
	{Name: "Closes standard output and input", Fixture: "havoc", Query: "wire-close", Isolated: Expectation{Survives: true, Status: []int{200}}},
	{Name: "DONE twice", Fixture: "havoc", Query: "twice", Isolated: Expectation{Survives: true, Status: []int{200}}},
	{Name: "Calls back after the end", Fixture: "havoc", Query: "late", Isolated: Expectation{Survives: true, Status: []int{200}}},
	{Name: "Empties the environment", Fixture: "havoc", Query: "environment", Isolated: Expectation{Survives: true, Status: []int{200}}},
}
