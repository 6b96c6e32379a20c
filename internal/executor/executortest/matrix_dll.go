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

// failedStart is what comes of a worker that cannot load its images.
const failedStart = "no generation starts with it; the one before goes on"

// refused is what comes of a DLL that is not loaded.
func refused(name, as, doc, log string) Behaviour {
	return Behaviour{
		Name: name, Fixture: "crash_at", As: as, When: AtLoad, Doc: doc,
		InProcess: Expectation{Survives: true, Log: log, Note: "it is not loaded"},
		Isolated:  Expectation{Survives: true, Log: log, Note: failedStart},
	}
}

// contained is what comes of a fault that is: the answer is 500, and a worker is replaced when the others have theirs.
func contained(name, how, doc, log string) Behaviour {
	return Behaviour{
		Name: name, Fixture: "crash", Query: how, Doc: doc,
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: log},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: log, Replaced: true},
	}
}

// of has another fixture do it.
func (b Behaviour) of(fixture string) Behaviour {
	b.Fixture = fixture
	return b
}

// posted has a POST do it.
func (b Behaviour) posted() Behaviour {
	b.Name, b.Method, b.Body = b.Name+", POST", "POST", "x=1"
	return b
}

// deadly is what comes of a request of which its process dies, each time. A worker's request is run once more, if it may be.
func deadly(name, how, doc, log string) Behaviour {
	return Behaviour{
		Name: name, Fixture: "crash", Query: how, Doc: doc,
		InProcess: Expectation{Status: []int{Broken}, Note: "ends the server"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: log, Replaced: true, Note: again},
	}
}

// hangs is what comes of a request that does not end.
func hangs(name, how, doc, lost string) Behaviour {
	return Behaviour{
		Name: name, Fixture: "havoc", Query: how, Doc: doc,
		InProcess: Expectation{Survives: true, Status: []int{NoAnswer}, Note: lost},
		Isolated:  Expectation{Survives: true, Status: []int{504}, Log: "it took longer than request_timeout", Replaced: true},
	}
}

// harmless is what costs nobody anything; the notes are for the server's process and a worker.
func harmless(name, how, doc, inProcess, isolated string) Behaviour {
	return Behaviour{
		Name: name, Fixture: "havoc", Query: how, Doc: doc,
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: inProcess},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: isolated},
	}
}

// MatrixOfDLLs is the fault matrix of DLLs: in workers of their own, under Wine, and in the process of isapid.exe. What a DLL itself calls to end
// the process is contained; what its C library or the loader does for it is not. Where the system itself gives up, Wine shows the signal.
var MatrixOfDLLs = []Behaviour{
	refused("Crash in DllMain", "attach-segv", "work in `DllMain` that its documentation forbids", "attach-segv"),
	refused("Crash in GetExtensionVersion", "version-segv", "a configuration file that is not there", "GetExtensionVersion: "+violation),
	refused("exit in GetExtensionVersion", "version-exit", "a program made into a library: without a licence it ends", "GetExtensionVersion: called exit(3)"),
	{
		Name: "exit in DllMain", Fixture: "crash_at", As: "attach-exit", When: AtLoad, Doc: "a copy protection",
		InProcess: Expectation{Note: "ends the server"},
		Isolated:  Expectation{Survives: true, Log: "exit code 3", Replaced: true, Note: failedStart},
	},
	{
		Name: "GetExtensionVersion never returns", Fixture: "havocload", As: "version-hang", When: AtLoad, Doc: "a licence server that does not answer",
		InProcess: Expectation{Note: "the load never ends"},
		Isolated:  Expectation{Survives: true, Log: "not done after", Replaced: true, Note: "after `startup_limit`; " + failedStart},
	},

	contained("Crash", "segv", "a NULL pointer, the most frequent one", violation),
	contained("Crash", "segv", "the same in a request that must not be run twice", violation).posted(),
	{
		Name: "Crash after half of the response", Fixture: "crash", Query: "sent-segv", Doc: "a record in the middle of a list",
		InProcess: Expectation{Survives: true, Status: []int{Broken}, Log: violation},
		Isolated:  Expectation{Survives: true, Status: []int{Broken}, Log: violation, Replaced: true},
	},
	contained("Division by zero", "fpe", "an average of nothing", "EXCEPTION_INT_DIVIDE_BY_ZERO"),
	contained("Call of a function that is not there", "null-call", "an optional library that was not found", "EXCEPTION_ACCESS_VIOLATION"),
	contained("An exception of C++ nobody catches", "throw", "C++ that throws out of its entry point", "runtime_error").of("throw"),
	contained("A structured exception nobody catches", "own-exception", "`RaiseException` of Delphi, or of an own kind", "0xe0000001"),
	contained("Stack overflow", "overflow", "recursion over data that has a cycle", "EXCEPTION_STACK_OVERFLOW"),
	contained("Crash in a completion callback", "completion-segv", "a write whose buffer is gone when it has ended", violation),
	contained("Crash in a thread of its own", "thread-segv", "a worker thread without its data; the request is PENDING", violation),

	contained("abort", "abort", "an assertion that was left in", "called abort()"),
	contained("assert", "assert", "the same, with its text", "called assert()"),
	contained("std::terminate", "terminate", "an exception in a destructor", "called abort()").of("throw"),
	contained("exit", "exit", "a library written for a CGI program", "called exit(3)"),
	contained("_exit", "_exit", "the same, in a hurry", "called _exit(4)"),
	contained("ExitProcess", "quick_exit", "a program that became a library", "called ExitProcess(5)"),
	contained("TerminateProcess", "terminate-process", "a watchdog of its own", "called TerminateProcess(6)"),
	contained("Kills its own process", "kill", "the same, by the number of the process", "called TerminateProcess(9)").of("process"),
	deadly("A stack pointer that points nowhere", "no-stack", "an overrun that hit what a function returns to", "signal 11 (SIGSEGV)"),
	{
		Name: "A stack pointer that points nowhere, POST", Fixture: "crash", Query: "no-stack", Method: "POST", Body: "x=1",
		Doc:       "the same in a request that must not be run twice",
		InProcess: Expectation{Status: []int{Broken}, Note: "ends the server"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "signal 11 (SIGSEGV)", Replaced: true, Note: "the request is not run again"},
	},
	contained("Overrun of a buffer on the stack", "smash", "a text too long for its buffer", "EXCEPTION_"),
	harmless("free of what was never allocated", "free", "two libraries with an allocator each", "", "").of("crash"),
	{
		Name: "Overrun of a buffer on the heap", Fixture: "havoc", Query: "heap", Doc: "a length counted without its NUL",
		InProcess: Expectation{Status: []int{500, Broken, NoAnswer}, Note: "the next who allocates may wait for ever, also the server; or Windows ends it"},
		Isolated: Expectation{
			Survives: true, Status: []int{500, 502}, Log: "EXCEPTION_", Replaced: true, Note: "requests beside it may wait for the heap until the worker is killed",
		},
	},

	hangs("Endless loop", "spin", "a counter that overflows", "a thread spins until a restart"),
	hangs("Deadlock", "deadlock", "a lock taken twice", "a thread is lost; only a restart brings it back"),
	hangs("PENDING and never done", "never", "a thread that was to call DONE ended early", "no thread is lost; `pending` can limit it"),

	harmless("Floods the standard output", "stdout&bytes=1000000", "traces left switched on", "1 MB between the lines of the log", "100 lines of it in the log; the rest is counted"),
	harmless("Closes standard output and input", "wire-close", "a handle closed twice", "", ""),
	harmless("Allocates until it is refused", "memory&bytes=268435456", "a cache without a limit", "nothing; the memory is the server's", "`memory_limit` or recycling by memory clears it"),
	harmless("Empties the environment", "environment", "a safe environment for a command", "nothing; extensions share it", "nothing; those of the same worker share it"),
	harmless("Never reads the body", "unread", "an upload refused without a look", "", ""),
	harmless("DONE twice", "twice", "the worker and its cleanup both end the session", "", ""),
	harmless("Uses the control block after DONE, from a thread", "late", "a thread that is not told that its request was given up", "nothing; its calls fail", "nothing; its calls fail"),
	harmless("Writes after DONE", "afterend", "a footer that is always written", "", ""),
	harmless("Overwrites its control block", "scribble", "a structure declared by another version of the header", "", "").of("hostile"),
	harmless("Bad pointers and sizes in every call", "pointers", "what a callback gets from an extension in trouble", "nothing; its calls fail", "nothing; its calls fail").of("hostile").posted(),

	{
		Name: "Crash in TerminateExtension", Fixture: "crash_at", As: "terminate-segv", When: AtUnload, Doc: "objects destroyed in the wrong order",
		InProcess: Expectation{Survives: true, Log: "TerminateExtension: " + violation},
		Isolated:  Expectation{Survives: true, Log: "TerminateExtension: " + violation},
	},
	{
		Name: "TerminateExtension never returns", Fixture: "havocload", As: "terminate-deadlock", When: AtUnload, Doc: "a thread waited for that waits for the caller",
		InProcess: Expectation{Survives: true, Log: "its TerminateExtension has not returned", Note: "it stays loaded"},
		Isolated:  Expectation{Survives: true, Log: "its TerminateExtension has not returned", Note: "`shutdown_limit` ends the worker"},
	},
	{
		Name: "A thread runs on after the unload", Fixture: "havocload", As: "unload-thread", When: AtUnload, Doc: "a cache refreshed in the background",
		InProcess: Expectation{Survives: true, Note: "mostly a fault of the thread, which is parked; no other extension is blamed"},
		Isolated:  Expectation{Survives: true, Note: "nothing: the worker ends, and the thread with it"},
	},
}
