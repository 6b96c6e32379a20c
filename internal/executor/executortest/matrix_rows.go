package executortest

import "strings"

// unmapped is what a fault of most fixtures says.
const unmapped = "SIGSEGV (address not mapped) accessing 0x10"

// What comes of a safe request whose worker dies of it, each time.
const (
	again       = "the request is run once more on another worker"
	fromOutside = "the request is run up to five times: nobody can tell who killed the worker"
)

// Matrix is the fault matrix. docs/fault-matrix.md shows it, in this order; a test holds the two together.
var Matrix = []Behaviour{
	// While it is loaded.
	{
		Name: "Crash in a constructor", Fixture: "crash_at", As: "constructor-segv", When: AtLoad,
		Doc:       "a global object that uses another one, which is made later",
		InProcess: Expectation{Survives: true, Log: unmapped, Note: "it is not loaded"},
		Isolated:  Expectation{Survives: true, Log: unmapped, Note: "no generation starts with it; the one before goes on"},
	},
	{
		Name: "Crash in DllMain", Fixture: "crash_at", As: "attach-segv", When: AtLoad,
		Doc:       "work in `DllMain` that its documentation forbids",
		InProcess: Expectation{Survives: true, Log: "DllMain(DLL_PROCESS_ATTACH): SIGSEGV", Note: "it is not loaded"},
		Isolated:  Expectation{Survives: true, Log: "DllMain(DLL_PROCESS_ATTACH): SIGSEGV", Note: "no generation starts with it; the one before goes on"},
	},
	{
		Name: "Crash in GetExtensionVersion", Fixture: "crash_at", As: "version-segv", When: AtLoad,
		Doc:       "a configuration file that is not there",
		InProcess: Expectation{Survives: true, Log: "GetExtensionVersion: SIGSEGV", Note: "it is not loaded"},
		Isolated:  Expectation{Survives: true, Log: "GetExtensionVersion: SIGSEGV", Note: "no generation starts with it; the one before goes on"},
	},
	{
		Name: "exit in GetExtensionVersion", Fixture: "crash_at", As: "version-exit", When: AtLoad,
		Doc:       "a program made into a library: without a licence it ends",
		InProcess: Expectation{Survives: true, Log: "GetExtensionVersion: called exit(3)", Note: "it is not loaded"},
		Isolated:  Expectation{Survives: true, Log: "GetExtensionVersion: called exit(3)", Note: "no generation starts with it; the one before goes on"},
	},
	{
		Name: "GetExtensionVersion never returns", Fixture: "havocload", As: "version-hang", When: AtLoad,
		Doc:       "a licence server that does not answer",
		InProcess: Expectation{Note: "the load never ends"},
		Isolated:  Expectation{Survives: true, Log: "not done after", Replaced: true, Note: "after `startup_limit`; no generation starts with it; the one before goes on"},
	},
	{
		Name: "A thread of the constructor's crashes later", Fixture: "havocload", As: "constructor-thread", When: AtLoad,
		Doc:       "a background thread without its configuration",
		InProcess: Expectation{Survives: true, Log: "on a thread of the extension's own (parked)", Note: "who is PENDING then is answered 500"},
		Isolated:  Expectation{Survives: true, Log: "on a thread of the extension's own (parked)", Replaced: true, Note: "each one; the pool is degraded when they get no answers done in between"},
	},

	// Crashes and ends, in a request.
	{
		Name: "Crash", Fixture: "crash", Query: "segv",
		Doc:       "a NULL pointer, the most frequent one",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: unmapped},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: unmapped, Replaced: true},
	},
	{
		Name: "Crash, POST", Fixture: "crash", Query: "segv", Method: "POST", Body: "x=1",
		Doc:       "the same in a request that must not be run twice",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: unmapped},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: unmapped, Replaced: true},
	},
	{
		Name: "Crash after half of the response", Fixture: "crash", Query: "sent-segv",
		Doc:       "a record in the middle of a list",
		InProcess: Expectation{Survives: true, Status: []int{Broken}, Log: unmapped},
		Isolated:  Expectation{Survives: true, Status: []int{Broken}, Log: unmapped, Replaced: true},
	},
	{
		Name: "Division by zero", Fixture: "crash", Query: "fpe",
		Doc:       "an average of nothing",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "SIGFPE"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "SIGFPE", Replaced: true},
	},
	{
		Name: "Call of a function that is not there", Fixture: "crash", Query: "null-call",
		Doc:       "an optional library that was not found",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "SIGSEGV"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "SIGSEGV", Replaced: true},
	},
	{
		Name: "abort", Fixture: "crash", Query: "abort",
		Doc:       "an assertion that was left in",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "SIGABRT (abort)"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "SIGABRT (abort)", Replaced: true},
	},
	{
		Name: "An exception nobody catches", Fixture: "throw", Query: "throw",
		Doc:       "C++ that throws out of its entry point",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "SIGABRT"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "SIGABRT", Replaced: true},
	},
	{
		Name: "Stack overflow", Fixture: "crash", Query: "overflow",
		Doc:       "recursion over data that has a cycle",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "SIGSEGV (stack overflow)"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "SIGSEGV (stack overflow)", Replaced: true},
	},
	{
		Name: "Overrun of a buffer on the stack", Fixture: "crash", Query: "smash",
		Doc:       "a text too long for its buffer",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "SIG"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "SIG", Replaced: true},
	},
	{
		Name: "free of what was never allocated", Fixture: "crash", Query: "free",
		Doc:       "two libraries with an allocator each",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "SIGABRT"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "signal 6 (SIGABRT)", Replaced: true, Note: again},
	},
	{
		Name: "Overrun of a buffer on the heap", Fixture: "havoc", Query: "heap",
		Doc:       "a length counted without its NUL",
		InProcess: Expectation{Status: []int{500, Broken, NoAnswer}, Note: "the allocator ends the call with its lock held: the next who allocates waits for ever, also the server"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "signal 6 (SIGABRT)", Replaced: true, Note: again},
	},
	{
		Name: "Unmaps a page of its stack", Fixture: "havoc", Query: "munmap",
		Doc:       "a mapped buffer freed by the wrong address",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "SIGSEGV", Note: "the hole stays in the stack of that thread"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "SIGSEGV", Replaced: true},
	},
	{
		Name: "Crash with all signals blocked", Fixture: "crash", Query: "masked",
		Doc:       "a thread that wants no signals of others",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: unmapped},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: unmapped, Replaced: true},
	},
	{
		Name: "Stack overflow in a thread of its own", Fixture: "crash", Query: "thread-overflow",
		Doc:       "a parser with a small stack; the request is PENDING",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "on a thread of the extension's own (parked)"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "on a thread of the extension's own (parked)", Replaced: true},
	},
	{
		Name: "exit", Fixture: "crash", Query: "exit",
		Doc:       "a library written for a CGI program",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "called exit(3)"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "called exit(3)", Replaced: true},
	},
	{
		Name: "_exit", Fixture: "crash", Query: "_exit",
		Doc:       "the child's part of a fork, run by the parent",
		InProcess: Expectation{Survives: true, Status: []int{500}, Log: "called _exit(4)"},
		Isolated:  Expectation{Survives: true, Status: []int{500}, Log: "called _exit(4)", Replaced: true},
	},
	{
		Name: "exit_group by system call", Fixture: "havoc", Query: "exit_group",
		Doc:       "a runtime that brings a C library of its own",
		InProcess: Expectation{Status: []int{Broken}, Note: "ends the server"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "exit code 9", Replaced: true, Note: again},
	},
	{
		Name: "exit_group by system call, POST", Fixture: "havoc", Query: "exit_group", Method: "POST", Body: "x=1",
		Doc:       "the same in a request that must not be run twice",
		InProcess: Expectation{Status: []int{Broken}, Note: "ends the server"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "exit code 9", Replaced: true, Note: "the request is not run again"},
	},
	{
		Name: "exec", Fixture: "havoc", Query: "exec",
		Doc:       "a command is run and the fork before it is missing",
		InProcess: Expectation{Status: []int{Broken}, Note: "ends the server"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "exit code 0", Replaced: true, Note: again},
	},
	{
		Name: "SIGKILL to itself", Fixture: "havoc", Query: "kill",
		Doc:       "a watchdog of its own; so does the kernel out of memory",
		InProcess: Expectation{Status: []int{Broken}, Note: "ends the server"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "signal 9 (SIGKILL)", Replaced: true, Note: fromOutside},
	},
	{
		Name: "SIGKILL to its process group", Fixture: "havoc", Query: "killgroup",
		Doc:       "the end of the helpers it started",
		InProcess: Expectation{Status: []int{Broken}, Note: "ends the server"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "signal 9 (SIGKILL)", Replaced: true, Note: fromOutside},
	},
	{
		Name: "Takes SIGSEGV away, then crashes", Fixture: "havoc", Query: "thief",
		Doc:       "a runtime that restores the handlers it thinks were there",
		InProcess: Expectation{Status: []int{Broken}, Note: "ends the server"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "signal 11 (SIGSEGV)", Replaced: true, Note: again},
	},

	// Requests that do not end.
	{
		Name: "Handler of its own that returns, then a crash", Fixture: "havoc", Query: "swallow",
		Doc:       "a reporter of crashes that hopes for the best",
		InProcess: Expectation{Survives: true, Status: []int{NoAnswer}, Note: "a thread spins; a nil dereference of the server's would, too"},
		Isolated:  Expectation{Survives: true, Status: []int{504}, Log: "it took longer than request_timeout", Replaced: true},
	},
	{
		Name: "Endless loop", Fixture: "havoc", Query: "spin",
		Doc:       "a counter that overflows",
		InProcess: Expectation{Survives: true, Status: []int{NoAnswer}, Note: "a thread spins until a restart"},
		Isolated:  Expectation{Survives: true, Status: []int{504}, Log: "it took longer than request_timeout", Replaced: true},
	},
	{
		Name: "Deadlock", Fixture: "havoc", Query: "deadlock",
		Doc:       "a lock taken twice",
		InProcess: Expectation{Survives: true, Status: []int{NoAnswer}, Note: "a thread is lost; only a restart brings it back"},
		Isolated:  Expectation{Survives: true, Status: []int{504}, Log: "it took longer than request_timeout", Replaced: true},
	},
	{
		Name: "PENDING and never done", Fixture: "havoc", Query: "never",
		Doc:       "a thread that was to call DONE ended early",
		InProcess: Expectation{Survives: true, Status: []int{NoAnswer}, Note: "no thread is lost; `pending` can limit it"},
		Isolated:  Expectation{Survives: true, Status: []int{504}, Log: "it took longer than request_timeout", Replaced: true},
	},

	// What it takes or breaks of the process.
	{
		Name: "A thread for each request that never ends", Fixture: "havoc", Query: "threads",
		Doc:       "a worker that waits for an event nobody signals",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "nothing; the number of threads grows"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "nothing; recycling by requests or time clears it"},
	},
	{
		Name: "Allocates until it is refused", Fixture: "havoc", Query: "memory&bytes=268435456",
		Doc:       "a cache without a limit",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "nothing; the memory is the server's"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "`memory_limit` or recycling by memory clears it"},
	},
	{
		Name: "Opens files until it is refused", Fixture: "havoc", Query: "descriptors",
		Doc:       "a handle not closed on the path of an error",
		InProcess: Expectation{Survives: true, Status: []int{200}, Log: "too many open files", Note: "the server is left with one connection at a time: restart it"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "nothing; the worker alone has no more"},
	},
	{
		Name: "Closes all descriptors", Fixture: "havoc", Query: "closeall",
		Doc:       "code of a daemon: close(3) to close(1023)",
		InProcess: Expectation{Status: []int{Broken}, Note: "ends the server: listeners and connections are closed"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "exit code", Replaced: true, Note: "its runtime gives up, or it loses the wire; " + again},
	},
	{
		Name: "Writes noise to the wire", Fixture: "havoc", Query: "wire-noise",
		Doc:       "a descriptor that was closed and is somebody else's now",
		InProcess: Expectation{Status: []int{200}, Note: "there is no wire; it goes where the descriptor leads"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "protocol error", Replaced: true, Note: again},
	},
	{
		Name: "Writes half a message to the wire", Fixture: "havoc", Query: "wire-half",
		Doc:       "the same, and what follows is taken for the other half",
		InProcess: Expectation{Status: []int{200}, Note: "there is no wire; it goes where the descriptor leads"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "answered a ping within", Replaced: true, Note: "found by the ping; " + again},
	},
	{
		Name: "Closes the wire", Fixture: "havoc", Query: "wire-close",
		Doc:       "a handle closed twice",
		InProcess: Expectation{Status: []int{200}, Note: "there is no wire; the next file gets the number of what is gone"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "the stream to the front broke", Replaced: true, Note: again},
	},
	{
		Name: "Puts /dev/null in the place of the wire", Fixture: "havoc", Query: "wire-null",
		Doc:       "code of a daemon that numbers descriptors itself",
		InProcess: Expectation{Status: []int{200}, Note: "there is no wire; what had the descriptor is gone"},
		Isolated:  Expectation{Survives: true, Status: []int{502}, Log: "the stream to the front broke", Replaced: true, Note: again},
	},
	{
		Name: "Floods the standard output", Fixture: "havoc", Query: "stdout",
		Doc:       "traces left switched on: 100 MB",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "100 MB in the server's own output"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Log: "output of a worker", Note: "100 lines of it; the rest is counted"},
	},
	{
		Name: "Floods the standard error", Fixture: "havoc", Query: "stderr",
		Doc:       "the same",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "100 MB between the lines of the log"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Log: "output of a worker", Note: "100 lines of it; the rest is counted"},
	},
	{
		Name: "Forks, and the child goes on", Fixture: "havoc", Query: "fork",
		Doc:       "an exec that failed, without the exit behind it",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "nothing; the child ends with status 127 when the call returns"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "nothing; the child ends with status 127 when the call returns"},
	},
	{
		Name: "setuid", Fixture: "havoc", Query: "setuid",
		Doc:       "privileges given up, in a program of its own",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "the whole server is that user from then on, if it was root"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "nothing; if the worker was root it is that user"},
	},
	{
		Name: "Changes the working folder", Fixture: "havoc", Query: "directory",
		Doc:       "relative names that are to be found",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "nothing; it is the server's folder"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "nothing; it is the worker's folder"},
	},
	{
		Name: "Clears the environment", Fixture: "havoc", Query: "environment",
		Doc:       "a safe environment for a command",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "nothing; extensions share it"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "nothing; those of the same worker share it"},
	},
	{
		Name: "Changes the locale", Fixture: "havoc", Query: "locale",
		Doc:       "numbers as the users of one application want them",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "nothing; extensions share it"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "nothing; those of the same worker share it"},
	},
	{
		Name: "Writes to a pipe nobody reads", Fixture: "havoc", Query: "sigpipe",
		Doc:       "a peer that hung up, and no MSG_NOSIGNAL",
		InProcess: Expectation{Survives: true, Status: []int{200}},
		Isolated:  Expectation{Survives: true, Status: []int{200}},
	},

	// What it does wrong with its request.
	{
		Name: "Never reads the body", Fixture: "havoc", Query: "unread", Method: "POST", Body: strings.Repeat("u", 1<<20),
		Doc:       "an upload refused without a look",
		InProcess: Expectation{Survives: true, Status: []int{200}},
		Isolated:  Expectation{Survives: true, Status: []int{200}},
	},
	{
		Name: "Uses the control block after DONE, from a thread", Fixture: "havoc", Query: "late",
		Doc:       "a thread that is not told that its request was given up",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "nothing; its calls fail"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "nothing; its calls fail"},
	},
	{
		Name: "DONE twice", Fixture: "havoc", Query: "twice",
		Doc:       "the worker and its cleanup both end the session",
		InProcess: Expectation{Survives: true, Status: []int{200}},
		Isolated:  Expectation{Survives: true, Status: []int{200}},
	},
	{
		Name: "Writes after DONE", Fixture: "havoc", Query: "afterend",
		Doc:       "a footer that is always written",
		InProcess: Expectation{Survives: true, Status: []int{200}},
		Isolated:  Expectation{Survives: true, Status: []int{200}},
	},
	{
		Name: "Writes more than its Content-Length", Fixture: "havoc", Query: "toolong",
		Doc:       "a length counted before the text was translated",
		InProcess: Expectation{Survives: true, Status: []int{200}, Log: "bytes dropped: the extension sent more than its Content-Length"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Log: "bytes dropped: the extension sent more than its Content-Length"},
	},
	{
		Name: "Returns a status that is none", Fixture: "havoc", Query: "status",
		Doc:       "a function that returns a BOOL, or nothing",
		InProcess: Expectation{Survives: true, Status: []int{200}, Log: "returned a value that is no HSE_STATUS"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Log: "returned a value that is no HSE_STATUS"},
	},
	{
		Name: "Overwrites its control block", Fixture: "hostile", Query: "scribble",
		Doc:       "a structure declared by another version of the header",
		InProcess: Expectation{Survives: true, Status: []int{200}},
		Isolated:  Expectation{Survives: true, Status: []int{200}},
	},
	{
		Name: "Bad pointers and sizes in every call", Fixture: "hostile", Query: "pointers", Method: "POST", Body: "x=1",
		Doc:       "what a callback gets from an extension in trouble",
		InProcess: Expectation{Survives: true, Status: []int{200}, Note: "nothing; its calls fail"},
		Isolated:  Expectation{Survives: true, Status: []int{200}, Note: "nothing; its calls fail"},
	},

	// While it is unloaded.
	{
		Name: "Crash in TerminateExtension", Fixture: "crash_at", As: "terminate-segv", When: AtUnload,
		Doc:       "objects destroyed in the wrong order",
		InProcess: Expectation{Survives: true, Log: "TerminateExtension: SIGSEGV"},
		Isolated:  Expectation{Survives: true, Log: "TerminateExtension: SIGSEGV"},
	},
	{
		Name: "Crash in a destructor", Fixture: "crash_at", As: "destructor-segv", When: AtUnload,
		Doc:       "a global object freed before those that use it",
		InProcess: Expectation{Survives: true, Log: unmapped},
		Isolated:  Expectation{Survives: true, Log: unmapped},
	},
	{
		Name: "TerminateExtension never returns", Fixture: "havocload", As: "terminate-deadlock", When: AtUnload,
		Doc:       "a thread waited for that waits for the caller",
		InProcess: Expectation{Survives: true, Log: "its TerminateExtension has not returned", Note: "it stays loaded"},
		Isolated:  Expectation{Survives: true, Log: "its TerminateExtension has not returned", Note: "`shutdown_limit` ends the worker"},
	},
	{
		Name: "An atexit handler never returns", Fixture: "havocload", As: "unload-atexit", When: AtUnload,
		Doc:       "a log flushed through a connection that is gone",
		InProcess: Expectation{Survives: true, Log: "its TerminateExtension has not returned", Note: "it stays loaded, and no image can be loaded or unloaded any more"},
		Isolated:  Expectation{Survives: true, Log: "its TerminateExtension has not returned", Note: "`shutdown_limit` ends the worker"},
	},
	{
		Name: "A thread runs on after the unload", Fixture: "havocload", As: "unload-thread", When: AtUnload,
		Doc:       "a cache refreshed in the background",
		InProcess: Expectation{Survives: true, Log: "on a thread of the extension's own (parked)", Note: "no other extension is blamed"},
		Isolated:  Expectation{Survives: true, Note: "nothing: the worker ends, and the thread with it"},
	},
}
