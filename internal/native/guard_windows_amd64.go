package native

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The guard of amd64 is a function with unwind information that names a handler, which Go's assembler cannot make. Its code stands here
// with its assembly; a test has an assembler make the one of the other.
//
// thunk(frame *) calls what is in the frame, see [frame], with 8 arguments, and keeps what it returned and its last error. 2 KiB of its own
// stack lie between it and what it calls: an overrun buffer hits those first. What the call did to the modes of the processor ends with it.
//
// handler is asked when no function above the thunk wants an exception. Those that are messages (of the debugger, the name of a thread) it
// lets go on. For errors it asks Go, [decide], unless there is no room for it on the stack or the frame says not to: then the frame gets
// code and address. In the end it unwinds to landing, which returns from the thunk.
const guardCode = `
thunk:
	53                                   push %rbx
	48 81 ec 50 08 00 00                 sub $0x850,%rsp
	48 89 cb                             mov %rcx,%rbx
	48 89 8c 24 48 08 00 00              mov %rcx,0x848(%rsp)
	48 89 61 78                          mov %rsp,0x78(%rcx)
	0f ae 9c 24 40 08 00 00              stmxcsr 0x840(%rsp)
	d9 bc 24 44 08 00 00                 fnstcw 0x844(%rsp)
	48 8b 43 30                          mov 0x30(%rbx),%rax
	48 89 44 24 20                       mov %rax,0x20(%rsp)
	48 8b 43 38                          mov 0x38(%rbx),%rax
	48 89 44 24 28                       mov %rax,0x28(%rsp)
	48 8b 43 40                          mov 0x40(%rbx),%rax
	48 89 44 24 30                       mov %rax,0x30(%rsp)
	48 8b 43 48                          mov 0x48(%rbx),%rax
	48 89 44 24 38                       mov %rax,0x38(%rsp)
	48 8b 4b 10                          mov 0x10(%rbx),%rcx
	48 8b 53 18                          mov 0x18(%rbx),%rdx
	4c 8b 43 20                          mov 0x20(%rbx),%r8
	4c 8b 4b 28                          mov 0x28(%rbx),%r9
	65 c7 04 25 68 00 00 00 00 00 00 00  movl $0x0,%gs:0x68
	ff 13                                call *(%rbx)
	48 8b 9c 24 48 08 00 00              mov 0x848(%rsp),%rbx
	48 89 43 50                          mov %rax,0x50(%rbx)
	65 8b 04 25 68 00 00 00              mov %gs:0x68,%eax
	48 89 43 58                          mov %rax,0x58(%rbx)
landing:
	fc                                   cld
	0f ae 94 24 40 08 00 00              ldmxcsr 0x840(%rsp)
	db e2                                fnclex
	d9 ac 24 44 08 00 00                 fldcw 0x844(%rsp)
	48 81 c4 50 08 00 00                 add $0x850,%rsp
	5b                                   pop %rbx
	c3                                   ret
	cc                                   int3
	cc                                   int3
	cc                                   int3
	cc                                   int3
	cc                                   int3
handler:
	48 83 ec 38                          sub $0x38,%rsp
	f7 41 04 66 00 00 00                 testl $0x66,0x4(%rcx)
	0f 85 b0 00 00 00                    jne search
	8b 01                                mov (%rcx),%eax
	c1 e8 1e                             shr $0x1e,%eax
	83 f8 01                             cmp $0x1,%eax
	75 10                                jne error
	f7 41 04 01 00 00 00                 testl $0x1,0x4(%rcx)
	75 07                                jne error
	31 c0                                xor %eax,%eax
	48 83 c4 38                          add $0x38,%rsp
	c3                                   ret
error:
	48 89 4c 24 40                       mov %rcx,0x40(%rsp)
	48 89 54 24 48                       mov %rdx,0x48(%rsp)
	4c 89 4c 24 58                       mov %r9,0x58(%rsp)
	4c 8b 92 48 08 00 00                 mov 0x848(%rdx),%r10
	81 39 fd 00 00 c0                    cmpl $0xc00000fd,(%rcx)
	74 30                                je bare
	65 48 8b 04 25 78 14 00 00           mov %gs:0x1478,%rax
	48 05 00 80 01 00                    add $0x18000,%rax
	48 39 c4                             cmp %rax,%rsp
	72 1c                                jb bare
	41 83 ba 80 00 00 00 00              cmpl $0x0,0x80(%r10)
	75 12                                jne bare
	4c 89 c2                             mov %r8,%rdx
	4d 89 d0                             mov %r10,%r8
	ff 15 5d 00 00 00                    call *go_decide(%rip)
	85 c0                                test %eax,%eax
	74 4a                                je search
	eb 16                                jmp unwind
bare:
	41 c7 42 60 02 00 00 00              movl $0x2,0x60(%r10)
	8b 01                                mov (%rcx),%eax
	49 89 42 68                          mov %rax,0x68(%r10)
	48 8b 41 10                          mov 0x10(%rcx),%rax
	49 89 42 70                          mov %rax,0x70(%r10)
unwind:
	4c 8b 4c 24 58                       mov 0x58(%rsp),%r9
	49 8b 41 28                          mov 0x28(%r9),%rax
	48 89 44 24 20                       mov %rax,0x20(%rsp)
	49 8b 41 40                          mov 0x40(%r9),%rax
	48 89 44 24 28                       mov %rax,0x28(%rsp)
	48 8b 4c 24 48                       mov 0x48(%rsp),%rcx
	48 8d 15 2e ff ff ff                 lea landing(%rip),%rdx
	4c 8b 44 24 40                       mov 0x40(%rsp),%r8
	45 31 c9                             xor %r9d,%r9d
	ff 15 18 00 00 00                    call *unwind_ex(%rip)
	cc                                   int3
search:
	b8 01 00 00 00                       mov $0x1,%eax
	48 83 c4 38                          add $0x38,%rsp
	c3                                   ret
	cc                                   int3
	cc                                   int3
	cc                                   int3
	cc                                   int3
	cc                                   int3
go_decide:
	00 00 00 00 00 00 00 00              .quad 0
unwind_ex:
	00 00 00 00 00 00 00 00              .quad 0
`

// Where guardCode finds things in a frame.
var _ = [1]struct{}{}[unsafe.Offsetof(frame{}.args)-0x10|unsafe.Offsetof(frame{}.ret)-0x50|unsafe.Offsetof(frame{}.err)-0x58|
	unsafe.Offsetof(frame{}.kind)-0x60|unsafe.Offsetof(frame{}.code)-0x68|unsafe.Offsetof(frame{}.pc)-0x70|unsafe.Offsetof(frame{}.sp)-0x78|unsafe.Offsetof(frame{}.quiet)-0x80|kindBare-2]

// assemble reads code of lines of bytes in hexadecimal, two spaces and assembly, and labels.
func assemble(text string) (code []byte, labels map[string]uint32) {
	labels = map[string]uint32{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if label, ok := strings.CutSuffix(line, ":"); ok {
			labels[label] = uint32(len(code))
			continue
		}
		digits, _, _ := strings.Cut(line, "  ")
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			panic(fmt.Sprintf("%q: %v", line, err)) // a test has assembled it
		}
		code = append(code, b...)
	}
	return code, labels
}

// Unwind information (UNWIND_INFO): the prologs of thunk (push %rbx; sub $0x850,%rsp) and handler (sub $0x38,%rsp), backwards.
var (
	unwindThunk   = []byte{1 | 3<<3, 8, 3, 0, 8, 0x01, 0x0a, 0x01, 1, 0x30, 0, 0} // and a handler for exceptions and unwinding
	unwindHandler = []byte{1, 4, 1, 0, 4, 0x62, 0, 0}
)

type runtimeFunction struct{ begin, end, unwind uint32 }

// guardFunctions is RUNTIME_FUNCTION of both, for as long as the process lives.
var guardFunctions [2]runtimeFunction

var (
	rtlUnwindEx         = ntdll.NewProc("RtlUnwindEx")
	rtlAddFunctionTable = ntdll.NewProc("RtlAddFunctionTable")
	thunkAt             uintptr
	thunkEnd            uintptr
	landingAt           uintptr
)

// makeThunk puts the guard into memory.
func makeThunk() error {
	code, labels := assemble(guardCode)
	put := func(label string, value uintptr) { *(*uintptr)(unsafe.Pointer(&code[labels[label]])) = value }
	put("go_decide", windows.NewCallback(decide))
	put("unwind_ex", rtlUnwindEx.Addr())
	unwind := uint32(len(code))
	code = append(code, unwindThunk...)
	code = append(code, byte(labels["handler"]), byte(labels["handler"]>>8), 0, 0)
	unwindOfHandler := uint32(len(code))
	code = append(code, unwindHandler...)
	base, err := windows.VirtualAlloc(0, uintptr(len(code)), windows.MEM_COMMIT|windows.MEM_RESERVE, windows.PAGE_READWRITE)
	if err != nil {
		return fmt.Errorf("memory for the guard: %w", err)
	}
	copy(unsafe.Slice((*byte)(ptr(base)), len(code)), code)
	var before uint32
	if err := windows.VirtualProtect(base, uintptr(len(code)), windows.PAGE_EXECUTE_READ, &before); err != nil {
		return fmt.Errorf("memory for the guard: %w", err)
	}
	guardFunctions = [2]runtimeFunction{{labels["thunk"], labels["handler"], unwind}, {labels["handler"], labels["go_decide"], unwindOfHandler}}
	if ok, _, err := rtlAddFunctionTable.Call(uintptr(unsafe.Pointer(&guardFunctions)), uintptr(len(guardFunctions)), base); ok == 0 {
		return fmt.Errorf("unwind information of the guard: %w", err)
	}
	thunkAt, thunkEnd = base, base+uintptr(labels["handler"])
	landingAt = base + uintptr(labels["landing"])
	return nil
}
