// Package native is the only crossing into C: it loads images, calls them under a guard, and brings their callbacks to Go.
//
// # The guard
//
// A fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, abort, exit) inside a guarded call comes back as a [Fault] of that call; the process
// and all other threads go on. The signal handlers lie over those of Go's runtime, which is handed everything that is
// not a fault of guarded C code: Go's own faults stay Go's. While a callback runs Go code there is no guard. A fault on a
// thread that an extension made itself has no call to come back to: that thread is parked for good and [ForeignFaults] tells
// of it.
//
// What a fault leaves behind (locks held, memory half changed) is the image's: it is suspect from then on.
//
// An abort of libc itself, which has found the heap corrupt, is contained too unless [EndAtLibcAbort] says otherwise: its lock
// may be held for good.
//
// Out of reach of the guard, and a reason to run an image in a process of its own: exit_group by system call, err(3) and
// error(3), a corrupted heap, a stack overrun by more than a page, and a handler of the image's own on one of these signals,
// which takes the place of the guard for all images ([GuardLost]) until its code is unloaded. The locale, the working folder and
// the environment are the process's; a signal mask lasts until the call ends that set it.
//
// A child that an extension forks has no Go runtime: its callbacks fail, and it ends when the call returns that forked it.
//
// # The guard on Windows
//
// There the guard is the outermost handler of exceptions of the call: what the image handles itself (__except, a catch of C++, an
// except of Delphi) it does not see, and its __finally and destructors run on the way out. Messages, which are no errors (the name of a
// thread, a text for a debugger), go on.
//
//	contained, as a fault of the call    an access violation, an illegal instruction, a division by zero, a breakpoint, an
//	                                     exception of C++, Delphi or Pascal that nobody catches, a stack that is used up (its guard
//	                                     pages are put back), on amd64 also one that was overrun by less than 2 KiB beyond the image's
//	                                     own frames
//	contained, as an exit                ExitProcess, TerminateProcess of this process, ExitThread, exit, _exit, quick_exit, abort, an
//	                                     assertion and _endthreadex, called by the image or a library it brought, once it is loaded.
//	                                     A catch(...) of the image's own that takes foreign exceptions may swallow them
//	parked                               an exception on a thread of the image's own: that thread sleeps for good, [ForeignFaults] tells
//	an error of [Open]                   an exception in DllMain: the loader contains it itself, and says only that there was one
//	the end of the process               __fastfail (a stack cookie, an assertion of the C library), a heap found corrupt, an end that
//	                                     was asked for by a function found at run time, within DllMain or on a thread of the image's
//	                                     own, and a stack pointer that points nowhere. As far as anybody is asked, one line on
//	                                     standard error says what and where, and the exception's code is the exit code
//
// The last error takes the place of errno. The modes of the processor (rounding, and which exceptions of floating point are masked) are
// put back after each call, and for each callback.
//
// [Library.Lookup] does not find DllMain there: the loader calls it.
//
// # Callbacks
//
// An extension is handed an EXTENSION_CONTROL_BLOCK in C memory, a [Slot], whose ConnID is its own address, because real
// extensions pass one for the other. Callbacks find the Go side by looking the address up, never by dereferencing it, so
// a stale or invented one is answered FALSE with ERROR_INVALID_PARAMETER.
//
// A filter is handed an HTTP_FILTER_CONTEXT, a [FilterContext], that is found in the same way. The functions in the structures
// of its notifications take it too.
//
// Pointers from an extension are untrusted integers (uintptr). They are read and written with the functions of memory.go
// inside a method of [Handler] or [FilterHandler], where a bad one fails the call instead of the process.
package native
