package worker

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/wire"
)

// runtimes are the C runtimes that are part of the system.
var runtimes = []string{"msvcrt.dll", "ucrtbase.dll"}

// stream is the private channel to the front, on the standard handles, which are something else from then on: what a library writes to its
// standard output goes to the log, and there is nothing on its standard input. No library of somebody else's is loaded yet.
func stream() (s wire.Stream, err error) {
	in, err := private(windows.STD_INPUT_HANDLE)
	if err != nil {
		return s, err
	}
	out, err := private(windows.STD_OUTPUT_HANDLE)
	if err != nil {
		return s, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return s, err
	}
	os.Stdin, os.Stdout = null, os.Stderr
	stderr, err := windows.GetStdHandle(windows.STD_ERROR_HANDLE)
	if err != nil {
		return s, os.NewSyscallError("GetStdHandle", err)
	}
	for _, name := range runtimes {
		_, _ = windows.LoadLibraryEx(name, 0, windows.LOAD_LIBRARY_SEARCH_SYSTEM32) // it is rarely missing, and stays
		redirect(name)
	}
	if err := errors.Join(windows.SetStdHandle(windows.STD_INPUT_HANDLE, windows.Handle(null.Fd())), windows.SetStdHandle(windows.STD_OUTPUT_HANDLE, stderr)); err != nil {
		return s, os.NewSyscallError("SetStdHandle", err)
	}
	return wire.Pipes(in, out)
}

// private is a copy of a standard handle that no other process inherits. The handle itself is not inherited any more either. It stays open
// as long as the process lives, whoever closes it: os and the C runtimes have it, too, and its number must not become another handle's.
func private(which uint32) (*os.File, error) {
	h, err := windows.GetStdHandle(which)
	if err != nil {
		return nil, os.NewSyscallError("GetStdHandle", err)
	}
	if t, err := windows.GetFileType(h); err != nil || t != windows.FILE_TYPE_PIPE {
		return nil, errors.New("its standard input and output are no stream to a front")
	}
	self := windows.CurrentProcess()
	var own windows.Handle
	if err := windows.DuplicateHandle(self, h, self, &own, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		return nil, os.NewSyscallError("DuplicateHandle", err)
	}
	const protect = 2 // HANDLE_FLAG_PROTECT_FROM_CLOSE
	if err := windows.SetHandleInformation(h, windows.HANDLE_FLAG_INHERIT|protect, protect); err != nil {
		return nil, os.NewSyscallError("SetHandleInformation", err)
	}
	return os.NewFile(uintptr(own), "stream"), nil
}

// redirect has a C runtime that is loaded already use the null device and the standard error as descriptors 0 and 1: it took the
// handles when it was loaded. Others take them from the system, when they are. What it has to say of a failed assertion, or before it
// aborts, goes to the standard error as well: in a program that it did not start it would open a window, for which a worker waits without
// end.
func redirect(runtime string) {
	name, err := windows.UTF16PtrFromString(runtime)
	if err != nil {
		return
	}
	var module windows.Handle
	if windows.GetModuleHandleEx(windows.GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, name, &module) != nil {
		return // it is not
	}
	call := func(function string, args ...uintptr) int32 {
		proc, err := windows.GetProcAddress(module, function)
		if err != nil {
			return -1
		}
		r, _, _ := syscall.SyscallN(proc, args...)
		return int32(r)
	}
	const readWrite = 2
	null := []byte("NUL\x00")
	if fd := call("_open", uintptr(unsafe.Pointer(&null[0])), readWrite); fd >= 0 {
		call("_dup2", uintptr(fd), 0)
		if fd > 2 {
			call("_close", uintptr(fd))
		}
	}
	call("_dup2", 2, 1)
	const toStandardError = 1 // _OUT_TO_STDERR
	call("_set_error_mode", toStandardError)
}
