package native

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Fault is a crash (or exit) of somebody else's code that was contained. It is an error.
type Fault struct {
	Signal   string  // "SIGSEGV"; "" when the code called exit
	Exit     string  // "exit(3)"; "" for a signal
	Meaning  string  // "address not mapped", "stack overflow", …; may be ""
	Addr     uintptr // address that was accessed, if the signal has one
	Stack    []Frame // innermost first; at least the faulting instruction when it is known
	Foreign  bool    // on a thread of the extension's own, which is parked for good
	accessed bool    // Addr means something
}

// Frame is one native stack frame.
type Frame struct {
	PC     uintptr
	Image  string // file it lies in, or lay in before that was unloaded; "" if unknown
	Offset uint64 // from the start of the image, as addr2line and objdump take it
	Symbol string // "function+0x1c", "" if unknown
	Line   string // "file.c:42", "" without debug information
}

func (f Frame) String() string {
	var b strings.Builder
	if f.Symbol != "" {
		b.WriteString(f.Symbol)
	} else {
		fmt.Fprintf(&b, "0x%x", f.PC)
	}
	if f.Line != "" {
		fmt.Fprintf(&b, " at %s", f.Line)
	}
	if f.Image != "" {
		fmt.Fprintf(&b, " in %s+0x%x", filepath.Base(f.Image), f.Offset)
	}
	return b.String()
}

// Error is one line: what happened and where.
func (f *Fault) Error() string {
	var b strings.Builder
	switch {
	case f.Exit != "":
		fmt.Fprintf(&b, "called %s", f.Exit)
	default:
		b.WriteString(f.Signal)
		if f.Meaning != "" {
			fmt.Fprintf(&b, " (%s)", f.Meaning)
		}
		if f.accessed {
			fmt.Fprintf(&b, " accessing 0x%x", f.Addr)
		}
	}
	if at := f.where(); at != nil {
		fmt.Fprintf(&b, ", in %s", at)
	}
	if f.Foreign {
		b.WriteString(", on a thread of the extension's own (parked)")
	}
	return b.String()
}

// where is the frame that tells most in one line: the innermost that is not the C library's.
func (f *Fault) where() *Frame {
	for i := range f.Stack {
		if image := f.Stack[i].Image; image != "" && !isLibc(image) {
			return &f.Stack[i]
		}
	}
	if len(f.Stack) > 0 {
		return &f.Stack[0]
	}
	return nil
}

// isLibc tells whether a library is the C library, or one of those that are below all others on Windows.
func isLibc(path string) bool {
	name := filepath.Base(path)
	switch strings.ToLower(name) {
	case "ntdll.dll", "kernel32.dll", "kernelbase.dll", "msvcrt.dll", "ucrtbase.dll", "libgcc_s_seh-1.dll", "libgcc_s_dw2-1.dll", "libstdc++-6.dll":
		return true
	}
	return strings.HasPrefix(name, "libc.")
}

// StackText is the native stack, a line a frame.
func (f *Fault) StackText() string {
	var b strings.Builder
	for i, fr := range f.Stack {
		fmt.Fprintf(&b, "#%-2d %s\n", i, fr)
	}
	return b.String()
}
