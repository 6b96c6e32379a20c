package native

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/isapi"
)

// An image that ends the process, or the thread, ends its call instead: what it imports for that is replaced by hooks. Code that is not
// in a guarded call gets what it asked for.

// How a call meant to end.
const (
	exitProcess = iota
	exitTerminate
	exitThread
	exitC
	exitCNow
	exitCQuick
	exitAbort
	exitAssert
	exitAssertWide
	exitCThread
)

// enders are the functions, by the names by which they are imported, whichever library has them.
var enders = map[string]uintptr{
	"ExitProcess": exitProcess, "TerminateProcess": exitTerminate, "ExitThread": exitThread,
	"exit": exitC, "_exit": exitCNow, "_Exit": exitCNow, "quick_exit": exitCQuick, "abort": exitAbort,
	"_assert": exitAssert, "_wassert": exitAssertWide, "_endthreadex": exitCThread, "_endthread": exitCThread, "pthread_exit": exitCThread,
}

// exitNames say what was called with the argument it had.
var exitNames = [...]string{
	exitProcess: "ExitProcess(%d)", exitTerminate: "TerminateProcess(%d)", exitThread: "ExitThread(%d)", exitC: "exit(%d)",
	exitCNow: "_exit(%d)", exitCQuick: "quick_exit(%d)", exitCThread: "_endthreadex(%d)",
}

// exitText is one of them.
func exitText(kind, status uintptr) string {
	switch kind {
	case exitAbort:
		return "abort()"
	case exitAssert, exitAssertWide:
		return "assert()"
	}
	if kind >= uintptr(len(exitNames)) {
		return "exit"
	}
	return fmt.Sprintf(exitNames[kind], int32(status))
}

// exitException is what a hook raises: one that the guard knows.
const exitException = 0xe0495341

const hookCount = 24

// hookKinds and hooked are what each hook stands for, and the function itself, to which the assembly jumps. Hooks are given out once.
var (
	hooksMu   sync.Mutex // guards the writing of all
	hooksUsed int
	hookKinds [hookCount]uintptr
	hooked    [hookCount]uintptr
	hookInGo  uintptr // onHook as foreign code calls it
	raiseAt   uintptr
)

// hookAddresses writes the addresses of all hooks.
func hookAddresses(to *[hookCount]uintptr)

var raiseException = kernel32.NewProc("RaiseException")

// prepareHooks makes what hooks call.
func prepareHooks() {
	hookInGo = windows.NewCallback(onHook)
	raiseAt = raiseException.Addr()
}

// onHook says what a hook is to do that was called with these arguments: 0, the function itself, or where the parameters are of the
// exception to be raised.
func onHook(hook uintptr, args *[3]uintptr) uintptr {
	i := lineOf(theBoard())
	kind := hookKinds[hook]
	if kind == exitAssert || kind == exitAssertWide {
		fmt.Fprintf(os.Stderr, "%s\n", assertion(kind == exitAssertWide, args))
	}
	if i == 0 || threads[i].guard == nil {
		return 0
	}
	f := threads[i].guard
	status := args[0]
	switch kind {
	case exitTerminate:
		if id, err := windows.GetProcessId(windows.Handle(args[0])); err != nil || id != windows.GetCurrentProcessId() {
			return 0
		}
		status = args[1]
	case exitAbort:
		status = 0
	}
	f.exit = [2]uintptr{kind, status}
	return uintptr(unsafe.Pointer(&f.exit))
}

// assertion is the text of one that failed: what, in which file and line.
func assertion(wide bool, args *[3]uintptr) string {
	text := func(p uintptr) (s string) {
		_ = Protect(func() (err isapi.Error) {
			if wide {
				s = windows.UTF16ToString(WideString(p, 1000))
			} else {
				s = String(p, 1000)
			}
			return
		})
		return s
	}
	return fmt.Sprintf("%s:%d: assertion failed: %s", text(args[1]), uint32(args[2]), text(args[0]))
}

// hookFor is the hook of a kind for a function; 0 if there are no more.
func hookFor(kind, function uintptr) uintptr {
	hooksMu.Lock()
	defer hooksMu.Unlock()
	var at [hookCount]uintptr
	hookAddresses(&at)
	for i := range hooksUsed {
		if hooked[i] == function && hookKinds[i] == kind {
			return at[i]
		}
		if at[i] == function {
			return 0 // it is one
		}
	}
	if hooksUsed == hookCount {
		return 0
	}
	hooked[hooksUsed], hookKinds[hooksUsed] = function, kind
	hooksUsed++
	return at[hooksUsed-1]
}

// hookEnders replaces what a loaded image imports to end the process or the thread.
func hookEnders(image mapping) {
	eachImport(image, func(name string, slot uintptr) {
		kind, ok := enders[name]
		if !ok {
			return
		}
		if hook := hookFor(kind, Read[uintptr](slot)); hook != 0 {
			setSlot(slot, hook)
		}
	})
}

// eachImport has visit called for every function that an image imports by its name, with the word that has its address. It runs under
// [Protect].
func eachImport(image mapping, visit func(name string, slot uintptr)) {
	size := image.end - image.start
	at := func(rva, n uintptr) uintptr {
		if rva == 0 || rva > size || n > size-rva {
			panic(errPointer)
		}
		return image.start + rva
	}
	u32 := func(rva uintptr) uintptr { return uintptr(Read[uint32](at(rva, 4))) }
	const word = unsafe.Sizeof(uintptr(0))
	header := u32(0x3c)
	directories := header + 24 + 96
	if word == 8 {
		directories += 16
	}
	for d := u32(directories + 8); u32(d+12) != 0; d += 20 {
		names, slots := u32(d), u32(d+16)
		if names == 0 {
			continue // bound in a way that keeps no names
		}
		for i := uintptr(0); ; i += word {
			name := Read[uintptr](at(names+i, word))
			if name == 0 {
				break
			}
			if name>>(8*word-1) != 0 {
				continue // by its number
			}
			visit(String(at(name+2, 1), 64), at(slots+i, word))
		}
	}
}

// setSlot writes to a word of an import table, which may be read-only.
func setSlot(slot, value uintptr) {
	const word = unsafe.Sizeof(value)
	var before uint32
	if windows.VirtualProtect(slot, word, windows.PAGE_READWRITE, &before) != nil {
		return
	}
	Write(slot, value)
	_ = windows.VirtualProtect(slot, word, before, &before)
}

// hookNew hooks the images that are loaded now and were not before, but for those of the system.
func hookNew(before mappings) {
	system, err := windows.GetWindowsDirectory()
	if err != nil {
		return
	}
	for _, m := range readMaps() {
		if before.find(m.start) == nil && !within(m.path, system) && !isLibc(m.path) {
			_ = Protect(func() isapi.Error { hookEnders(m); hookCopied(m); return isapi.OK })
		}
	}
}

func within(path, dir string) bool {
	return len(path) > len(dir) && strings.EqualFold(path[:len(dir)], dir)
}
