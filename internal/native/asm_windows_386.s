#include "textflag.h"

// PUSHL and POPL are left out where they do not come in pairs, which the assembler insists on: LEAL says the same.

// Of the thread's environment block, at FS.
#define HANDLERS 0x00
#define STACK_BASE 0x04
#define THREAD_ID 0x24
#define LAST_ERROR 0x34
#define STACK_END 0xe0c
#define PEB 0x30

// Of the process's environment block, and of a critical section.
#define LOADER_LOCK 0xa0
#define LOCK_OWNER 0x0c

// What has to be left of the stack for a callback, for Go's runtime; with less it fails with ERROR_STACK_OVERFLOW.
#define STACK_NEEDED 0x18000

// Of a frame.
#define FRAME_FN 0
#define FRAME_N 4
#define FRAME_ARGS 8
#define FRAME_RET 40
#define FRAME_ERR 44
#define FRAME_KIND 48
#define FRAME_CODE 52
#define FRAME_PC 56
#define FRAME_SP 60
#define FRAME_QUIET 64

#define KIND_BARE 2

// What lies on the stack of a thunk: what the system knows as a registration of a handler, and what is needed after the call.
#define RECORD_PREV 0
#define RECORD_HANDLER 4
#define RECORD_FRAME 8
#define RECORD_MODES 12
#define RECORD_SIZE 16

// Of a foreignFault.
#define FOREIGN_MOST 16
#define FOREIGN_THREAD 4
#define FOREIGN_LOW 8
#define FOREIGN_HIGH 12
#define FOREIGN_RECORD 16
#define FOREIGN_CONTEXT 96
#define FOREIGN_SIZE 812
#define EXCEPTION_SIZE 80
#define CONTEXT_SIZE 716

TEXT ·threadID(SB),NOSPLIT,$0-4
	MOVL	THREAD_ID(FS), AX
	MOVL	AX, ret+0(FP)
	RET

TEXT ·teb(SB),NOSPLIT,$0-4
	MOVL	0x18(FS), AX
	MOVL	AX, ret+0(FP)
	RET

// thunk(frame *) calls what is in the frame with its arguments, and keeps what it returned and its last error. The callee takes its
// arguments off the stack, as stdcall has it, or not: the stack is found again by BP. Between the record of the handler and what is called
// lie 2 KiB: an overrun buffer hits those first. What the call did to the modes of the processor ends with it.
TEXT thunk<>(SB),NOSPLIT|NOFRAME,$0
	LEAL	-16(SP), SP
	MOVL	BP, 12(SP)
	MOVL	BX, 8(SP)
	MOVL	SI, 4(SP)
	MOVL	DI, 0(SP)
	MOVL	20(SP), BX
	SUBL	$RECORD_SIZE, SP
	MOVL	HANDLERS(FS), AX
	MOVL	AX, RECORD_PREV(SP)
	MOVL	$handler<>(SB), AX
	MOVL	AX, RECORD_HANDLER(SP)
	MOVL	BX, RECORD_FRAME(SP)
	FSTCW	RECORD_MODES(SP)
	MOVL	SP, BP
	MOVL	SP, HANDLERS(FS)
	MOVL	SP, FRAME_SP(BX)
	SUBL	$0x800, SP
	MOVL	FRAME_N(BX), CX
	JMP	more
push:
	PUSHL	FRAME_ARGS-4(BX)(CX*4)
	DECL	CX
more:
	TESTL	CX, CX
	JNE	push
	MOVL	$0, LAST_ERROR(FS)
	CALL	FRAME_FN(BX)
	MOVL	BP, SP
	MOVL	RECORD_FRAME(SP), BX
	MOVL	AX, FRAME_RET(BX)
	MOVL	LAST_ERROR(FS), AX
	MOVL	AX, FRAME_ERR(BX)
	JMP	landing<>(SB)

// landing returns from the thunk whose record is at SP. Where it comes from no register is worth anything.
TEXT landing<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	RECORD_PREV(SP), AX
	MOVL	AX, HANDLERS(FS)
	CLD
	BYTE	$0xdb; BYTE $0xe2 // FNCLEX
	FLDCW	RECORD_MODES(SP)
	ADDL	$RECORD_SIZE, SP
	MOVL	0(SP), DI
	MOVL	4(SP), SI
	MOVL	8(SP), BX
	MOVL	12(SP), BP
	LEAL	16(SP), SP
	RET

// handler(record *, registration *, context *, dispatcher *) is asked when no function above the thunk wants an exception. Those that are
// messages (of the debugger, the name of a thread) it lets go on. For errors it asks Go, [decide], unless there is no room for it on the stack or the
// frame says not to: then the frame gets code and address. In the end it unwinds to the thunk, and returns from that.
TEXT handler<>(SB),NOSPLIT|NOFRAME,$0
	LEAL	-16(SP), SP
	MOVL	BP, 12(SP)
	MOVL	BX, 8(SP)
	MOVL	SI, 4(SP)
	MOVL	DI, 0(SP)
	MOVL	20(SP), SI              // the record
	MOVL	24(SP), DI              // the registration: that of the thunk
	TESTL	$0x66, 4(SI)            // it is being unwound
	JNE	search
	MOVL	0(SI), AX
	SHRL	$30, AX
	CMPL	AX, $1
	JNE	error
	TESTL	$1, 4(SI)               // it cannot go on
	JNE	error
	XORL	AX, AX
	JMP	done
error:
	MOVL	RECORD_FRAME(DI), BX
	CMPL	0(SI), $0xc00000fd      // the stack is used up
	JEQ	bare
	MOVL	STACK_END(FS), AX
	ADDL	$STACK_NEEDED, AX
	CMPL	SP, AX
	JLS	bare
	CMPL	FRAME_QUIET(BX), $0
	JNE	bare
	MOVL	28(SP), AX
	LEAL	-12(SP), SP
	MOVL	SI, 0(SP)
	MOVL	AX, 4(SP)
	MOVL	BX, 8(SP)
	MOVL	·decideInGo(SB), AX
	CALL	AX                      // it takes its arguments off
	TESTL	AX, AX
	JEQ	search
	JMP	unwind
bare:
	MOVL	$KIND_BARE, FRAME_KIND(BX)
	MOVL	0(SI), AX
	MOVL	AX, FRAME_CODE(BX)
	MOVL	12(SI), AX
	MOVL	AX, FRAME_PC(BX)
unwind:
	LEAL	-20(SP), SP
	MOVL	DI, 16(SP)              // RtlUnwind keeps no register; this is where SP is after it
	MOVL	$0, 12(SP)
	MOVL	SI, 8(SP)
	MOVL	$unwound<>(SB), AX
	MOVL	AX, 4(SP)
	MOVL	DI, 0(SP)
	MOVL	·rtlUnwindAt(SB), AX
	CALL	AX
	JMP	unwound<>(SB)
search:
	MOVL	$1, AX
done:
	MOVL	0(SP), DI
	MOVL	4(SP), SI
	MOVL	8(SP), BX
	MOVL	12(SP), BP
	LEAL	16(SP), SP
	RET

TEXT unwound<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	0(SP), SP
	JMP	landing<>(SB)

// callback is called with the number of a callback in AX by what an image has called, which takes the arguments off. It builds an entry on
// the stack, gives it to Go, and sets the last error as its very last act. It calls Go with the modes of the processor that Go
// expects. A thread whose stack is nearly used up is turned away.
TEXT callback<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	STACK_END(FS), CX
	ADDL	$STACK_NEEDED, CX
	CMPL	SP, CX
	JLS	full
	LEAL	-16(SP), SP
	MOVL	BP, 12(SP)
	MOVL	BX, 8(SP)
	MOVL	SI, 4(SP)
	MOVL	DI, 0(SP)
	LEAL	-16(SP), SP
	FSTCW	8(SP)
	STMXCSR	12(SP)
	MOVL	$0x1f80, 4(SP)
	LDMXCSR	4(SP)
	MOVL	$0x37f, 4(SP)
	FLDCW	4(SP)
	MOVL	AX, 0(SP)
	MOVL	LAST_ERROR(FS), AX
	MOVL	AX, 4(SP)
	MOVL	SP, AX
	LEAL	-4(SP), SP
	MOVL	AX, 0(SP)
	MOVL	·callbackInGo(SB), AX
	CALL	AX                      // it takes its argument off
	FLDCW	8(SP)
	LDMXCSR	12(SP)
	MOVL	4(SP), CX
	LEAL	32(SP), SP
	MOVL	CX, LAST_ERROR(FS)
	RET
full:
	MOVL	$1001, LAST_ERROR(FS)
	XORL	AX, AX
	RET

// A callback with so many bytes of arguments. Nothing may change the last error after callback has set it.
#define CALLBACK(name, n, bytes) TEXT name<>(SB),NOSPLIT|NOFRAME,$0; MOVL $n, AX; CALL callback<>(SB); BYTE $0xc2; WORD $bytes; RET
CALLBACK(callback0, 0, 16)
CALLBACK(callback1, 1, 16)
CALLBACK(callback2, 2, 12)
CALLBACK(callback3, 3, 20)
CALLBACK(callback4, 4, 16)
CALLBACK(callback5, 5, 12)
CALLBACK(callback6, 6, 16)
CALLBACK(callback7, 7, 12)
CALLBACK(callback8, 8, 20)
CALLBACK(callback9, 9, 16)
CALLBACK(callback10, 10, 12)
CALLBACK(callback11, 11, 12)
CALLBACK(callback12, 12, 8)

TEXT ·callbackAddresses(SB),NOSPLIT,$0-4
	MOVL	to+0(FP), AX
#define ADDRESS(name, n) MOVL $name<>(SB), CX; MOVL CX, (4*n)(AX)
	ADDRESS(callback0, 0)
	ADDRESS(callback1, 1)
	ADDRESS(callback2, 2)
	ADDRESS(callback3, 3)
	ADDRESS(callback4, 4)
	ADDRESS(callback5, 5)
	ADDRESS(callback6, 6)
	ADDRESS(callback7, 7)
	ADDRESS(callback8, 8)
	ADDRESS(callback9, 9)
	ADDRESS(callback10, 10)
	ADDRESS(callback11, 11)
	ADDRESS(callback12, 12)
	RET

// endOfThread(line) gives the line of a thread that ends back, with what it has counted. The thread may be no more one that Go can run on.
TEXT endOfThread<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	4(SP), AX
	TESTL	AX, AX
	JEQ	none
	MOVL	$0, 4(AX)
	MOVL	$0, 0(AX)
none:
	BYTE	$0xc2; WORD $4
	RET

TEXT ·endOfThreadAddress(SB),NOSPLIT,$0-4
	MOVL	$endOfThread<>(SB), AX
	MOVL	AX, ret+0(FP)
	RET

TEXT ·thunkAddresses(SB),NOSPLIT,$0-8
	MOVL	$thunk<>(SB), AX
	MOVL	AX, from+0(FP)
	MOVL	$landing<>(SB), AX
	MOVL	AX, to+4(FP)
	RET

// filter(pointers *) is asked last of all about an exception of any thread, when nobody has handled it. A thread that Go knows is Go's to
// tell of. Any other is one that an image has made: what it had is kept for Go to read, as far as there is room, and it never runs
// again. It cannot ask Go: its stack may be used up. A heap that is corrupt may have its lock held: the process ends.
TEXT filter<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	4(SP), CX
	MOVL	0(CX), AX
	MOVL	0(AX), AX
	CMPL	AX, $0xc0000374
	JEQ	end
	CMPL	AX, $0xc0000409
	JEQ	end
	MOVL	TLS, AX
	TESTL	AX, AX
	JEQ	foreign
	MOVL	0(AX)(TLS*1), AX
	TESTL	AX, AX
	JEQ	foreign
	MOVL	·filterBefore(SB), AX
	TESTL	AX, AX
	JEQ	pass
	JMP	AX
pass:
	XORL	AX, AX
	BYTE	$0xc2; WORD $4
end:
	LEAL	-4(SP), SP
	MOVL	CX, 0(SP)
	MOVL	·endInGo(SB), AX
	CALL	AX
	INT	$3
foreign:
	LEAL	·foreign(SB), BX
	MOVL	$FOREIGN_MOST, DX
next:
	XORL	AX, AX
	MOVL	$1, SI
	LOCK
	CMPXCHGL	SI, 0(BX)
	JEQ	found
	ADDL	$FOREIGN_SIZE, BX
	DECL	DX
	JNE	next
	JMP	sleep
found:
	MOVL	THREAD_ID(FS), AX
	MOVL	AX, FOREIGN_THREAD(BX)
	MOVL	STACK_END(FS), AX
	MOVL	AX, FOREIGN_LOW(BX)
	MOVL	STACK_BASE(FS), AX
	MOVL	AX, FOREIGN_HIGH(BX)
	CLD
	MOVL	CX, DX
	MOVL	0(DX), SI
	LEAL	FOREIGN_RECORD(BX), DI
	MOVL	$EXCEPTION_SIZE, CX
	REP; MOVSB
	MOVL	4(DX), SI
	LEAL	FOREIGN_CONTEXT(BX), DI
	MOVL	$CONTEXT_SIZE, CX
	REP; MOVSB
	MOVL	$2, AX
	XCHGL	AX, 0(BX)
sleep:
	LEAL	-4(SP), SP
	MOVL	$-1, 0(SP)
	MOVL	·sleepAt(SB), AX
	CALL	AX
	JMP	sleep

// hook is called instead of a function that ends the process or the thread, with the number of the hook in AX and the arguments of that
// function on the stack. Go says what is to be done: raise what the answer points to, or, 0, the function itself.
TEXT hook<>(SB),NOSPLIT|NOFRAME,$0
	LEAL	4(SP), CX
	LEAL	-12(SP), SP
	MOVL	AX, 8(SP)
	MOVL	CX, 4(SP)
	MOVL	AX, 0(SP)
	MOVL	·hookInGo(SB), AX
	CALL	AX                      // it takes its arguments off
	MOVL	0(SP), CX
	LEAL	4(SP), SP
	TESTL	AX, AX
	JNE	raise
	LEAL	·hooked(SB), AX
	MOVL	0(AX)(CX*4), AX
	JMP	AX
raise:
	PUSHL	BP                      // as any function does that can be seen on the stack
	MOVL	SP, BP
	LEAL	-16(SP), SP
	MOVL	AX, 12(SP)
	MOVL	$2, 8(SP)
	MOVL	$1, 4(SP)
	MOVL	$0xe0495341, 0(SP)
	MOVL	·raiseAt(SB), AX
	CALL	AX
	INT	$3

#define HOOK(name, n) TEXT name<>(SB),NOSPLIT|NOFRAME,$0; MOVL $n, AX; JMP hook<>(SB)
HOOK(hook0, 0)
HOOK(hook1, 1)
HOOK(hook2, 2)
HOOK(hook3, 3)
HOOK(hook4, 4)
HOOK(hook5, 5)
HOOK(hook6, 6)
HOOK(hook7, 7)
HOOK(hook8, 8)
HOOK(hook9, 9)
HOOK(hook10, 10)
HOOK(hook11, 11)
HOOK(hook12, 12)
HOOK(hook13, 13)
HOOK(hook14, 14)
HOOK(hook15, 15)
HOOK(hook16, 16)
HOOK(hook17, 17)
HOOK(hook18, 18)
HOOK(hook19, 19)
HOOK(hook20, 20)
HOOK(hook21, 21)
HOOK(hook22, 22)
HOOK(hook23, 23)

TEXT ·hookAddresses(SB),NOSPLIT,$0-4
	MOVL	to+0(FP), AX
	ADDRESS(hook0, 0)
	ADDRESS(hook1, 1)
	ADDRESS(hook2, 2)
	ADDRESS(hook3, 3)
	ADDRESS(hook4, 4)
	ADDRESS(hook5, 5)
	ADDRESS(hook6, 6)
	ADDRESS(hook7, 7)
	ADDRESS(hook8, 8)
	ADDRESS(hook9, 9)
	ADDRESS(hook10, 10)
	ADDRESS(hook11, 11)
	ADDRESS(hook12, 12)
	ADDRESS(hook13, 13)
	ADDRESS(hook14, 14)
	ADDRESS(hook15, 15)
	ADDRESS(hook16, 16)
	ADDRESS(hook17, 17)
	ADDRESS(hook18, 18)
	ADDRESS(hook19, 19)
	ADDRESS(hook20, 20)
	ADDRESS(hook21, 21)
	ADDRESS(hook22, 22)
	ADDRESS(hook23, 23)
	RET

TEXT ·filterAddress(SB),NOSPLIT,$0-4
	MOVL	$filter<>(SB), AX
	MOVL	AX, ret+0(FP)
	RET

TEXT stackPointer<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	SP, AX
	RET

TEXT ·stackPointerAddress(SB),NOSPLIT,$0-4
	MOVL	$stackPointer<>(SB), AX
	MOVL	AX, ret+0(FP)
	RET

// copied is called instead of a function that DllMain calls, too, with its number in AX. A thread that holds the loader's lock gets the
// system's own: Go must not be entered then, because threads that Go has just made wait for that lock and have what Go needs to run.
TEXT copied<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	PEB(FS), CX
	MOVL	LOADER_LOCK(CX), CX
	TESTL	CX, CX
	JEQ	ours
	MOVL	LOCK_OWNER(CX), CX
	CMPL	CX, THREAD_ID(FS)
	JEQ	theirs
ours:
	LEAL	·copiedInGo(SB), CX
	MOVL	0(CX)(AX*4), AX
	JMP	AX
theirs:
	LEAL	·copiedBefore(SB), CX
	MOVL	0(CX)(AX*4), AX
	JMP	AX

#define COPIED(name, n) TEXT name<>(SB),NOSPLIT|NOFRAME,$0; MOVL $n, AX; JMP copied<>(SB)
COPIED(copied0, 0)
COPIED(copied1, 1)
COPIED(copied2, 2)
COPIED(copied3, 3)

TEXT ·copiedAddresses(SB),NOSPLIT,$0-4
	MOVL	to+0(FP), AX
	ADDRESS(copied0, 0)
	ADDRESS(copied1, 1)
	ADDRESS(copied2, 2)
	ADDRESS(copied3, 3)
	RET
