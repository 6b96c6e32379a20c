package native

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
)

// exceptionRecord is EXCEPTION_RECORD.
type exceptionRecord struct {
	code, flags uint32
	next        uintptr
	address     uintptr
	n           uint32
	info        [15]uintptr
}

// Codes of exceptions that are treated in a way of their own.
const (
	accessViolation = 0xc0000005
	inPageError     = 0xc0000006
	stackOverflow   = 0xc00000fd
	heapCorruption  = 0xc0000374
	stackOverrun    = 0xc0000409 // and whatever else code finds in itself (__fastfail)
	cppException    = 0xe06d7363 // of Microsoft's compiler
	gnuException    = 0x20474343
	delphiException = 0x0eedfade
	pascalException = 0xe0465043 // of Free Pascal
)

// exceptionNames are those of the system's headers.
var exceptionNames = map[uint32]string{
	accessViolation: "EXCEPTION_ACCESS_VIOLATION",
	inPageError:     "EXCEPTION_IN_PAGE_ERROR",
	stackOverflow:   "EXCEPTION_STACK_OVERFLOW",
	0x80000001:      "EXCEPTION_GUARD_PAGE",
	0x80000002:      "EXCEPTION_DATATYPE_MISALIGNMENT",
	0x80000003:      "EXCEPTION_BREAKPOINT",
	0x80000004:      "EXCEPTION_SINGLE_STEP",
	0xc0000008:      "EXCEPTION_INVALID_HANDLE",
	0xc000001d:      "EXCEPTION_ILLEGAL_INSTRUCTION",
	0xc0000025:      "EXCEPTION_NONCONTINUABLE_EXCEPTION",
	0xc0000026:      "EXCEPTION_INVALID_DISPOSITION",
	0xc000008c:      "EXCEPTION_ARRAY_BOUNDS_EXCEEDED",
	0xc000008d:      "EXCEPTION_FLT_DENORMAL_OPERAND",
	0xc000008e:      "EXCEPTION_FLT_DIVIDE_BY_ZERO",
	0xc000008f:      "EXCEPTION_FLT_INEXACT_RESULT",
	0xc0000090:      "EXCEPTION_FLT_INVALID_OPERATION",
	0xc0000091:      "EXCEPTION_FLT_OVERFLOW",
	0xc0000092:      "EXCEPTION_FLT_STACK_CHECK",
	0xc0000093:      "EXCEPTION_FLT_UNDERFLOW",
	0xc0000094:      "EXCEPTION_INT_DIVIDE_BY_ZERO",
	0xc0000095:      "EXCEPTION_INT_OVERFLOW",
	0xc0000096:      "EXCEPTION_PRIV_INSTRUCTION",
	heapCorruption:  "STATUS_HEAP_CORRUPTION",
	stackOverrun:    "STATUS_STACK_BUFFER_OVERRUN",
	0xc0000417:      "STATUS_INVALID_CRUNTIME_PARAMETER",
	0xc06d007e:      "VcppException(ERROR_MOD_NOT_FOUND)",
	0xc06d007f:      "VcppException(ERROR_PROC_NOT_FOUND)",
	cppException:    "C++ exception",
	gnuException:    "C++ exception",
	delphiException: "Delphi exception",
	pascalException: "Pascal exception",
}

func exceptionName(code uint32) string {
	if name := exceptionNames[code]; name != "" {
		return name
	}
	return fmt.Sprintf("exception 0x%08x", code)
}

// exception is what is noted of one while its thread still stands where it happened.
type exception struct {
	record exceptionRecord
	words  string    // of a language's own exception: its type and text
	stack  []uintptr // innermost first
}

// look takes down what can be seen of it from the registers, and answers where the stack pointer was when the walk came to the guard,
// 0 if it did not. The stack has the bounds given.
func (e *exception) look(c *context, low, high uintptr) (end uintptr) {
	at := *c
	e.stack = []uintptr{at.pc()}
	_ = Protect(func() isapi.Error {
		e.stack, end = at.walk(low, high)
		return isapi.OK
	})
	_ = Protect(func() isapi.Error {
		e.words = words(&e.record)
		return isapi.OK
	})
	return end
}

// decide is asked by the guard of f about an exception that no code above it has handled: 1 ends the call with a fault, 0 leaves it to
// others. It runs on the thread that had it, on top of the stack that is to be looked at.
func decide(record *exceptionRecord, c *context, f *frame) uintptr {
	i := lineOf(theBoard())
	if i != 0 && threads[i].guard != f {
		return 0 // in code that Go has called inside of a callback
	}
	if i != 0 {
		threads[i].guard = nil // what follows is code of Go
		defer func() { threads[i].guard = f }()
	}
	if hopeless(record.code) {
		endBecause(record)
	}
	f.kind = kindFault
	f.fault = exception{record: *record}
	low, high := stackBounds()
	f.fault.look(c, low, high)
	return 1
}

// hopeless is an exception after which nothing of the process can be trusted: its heap is corrupt, or a stack.
func hopeless(code uint32) bool { return code == heapCorruption || code == stackOverrun }

func (f *frame) stackOverflow() bool { return f.kind == kindBare && f.code == stackOverflow }

func newFault(f *frame) *Fault {
	if f.kind == kindBare {
		f.fault = exception{record: exceptionRecord{code: uint32(f.code), address: f.pc}, stack: []uintptr{f.pc}}
	}
	return f.fault.describe()
}

// describe puts it into words.
func (e *exception) describe() *Fault {
	f := &Fault{Signal: exceptionName(e.record.code), Meaning: e.words, Stack: slices.Clone(callers.symbolize(e.stack))}
	switch e.record.code {
	case accessViolation, inPageError:
		if e.record.n < 2 {
			f.Meaning = "raised by the code itself"
			break
		}
		f.Meaning, f.Addr, f.accessed = access(e.record.info[0]), e.record.info[1], true
	case stackOverflow:
		f.Meaning = "stack overflow"
	case exitException:
		f.Signal, f.Exit = "", exitText(e.record.info[0], e.record.info[1])
	}
	return f
}

// access says what was tried.
func access(how uintptr) string {
	switch how {
	case 0:
		return "reading"
	case 1:
		return "writing"
	case 8:
		return "executing"
	}
	return ""
}

// words is what a language's own exception says of itself; "" if nothing is known.
func words(r *exceptionRecord) string {
	switch r.code {
	case gnuException:
		return "uncaught " + gnuType(r.info[0])
	case cppException:
		return "uncaught " + cppType(r)
	case delphiException, pascalException:
		return "uncaught"
	}
	return ""
}

// gnuType is the type of a C++ exception of GCC, by the address of its _Unwind_Exception: the head of what was thrown lies before it.
func gnuType(unwind uintptr) string {
	const before = 10 * unsafe.Sizeof(uintptr(0))                       // exceptionType in __cxa_exception of 64 bits
	if class := Read[[8]byte](unwind); string(class[1:]) != "++CCUNG" { // GNUCC++ and a number that tells of rethrown ones
		return "exception"
	}
	info := Read[uintptr](unwind - before)
	return String(Read[uintptr](info+unsafe.Sizeof(info)), 256)
}

// cppType is the type of a C++ exception of Microsoft's compiler, by its _ThrowInfo, whose pointers are offsets in the image on 64 bits.
func cppType(r *exceptionRecord) string {
	var image uintptr
	if unsafe.Sizeof(image) == 8 {
		image = r.info[3]
	}
	at := func(p uintptr) uintptr { return image + uintptr(Read[uint32](p)) }
	types := at(r.info[2] + 12) // _CatchableTypeArray
	first := at(types + 4)      // _CatchableType
	return String(at(first+4)+2*unsafe.Sizeof(image), 256)
}
