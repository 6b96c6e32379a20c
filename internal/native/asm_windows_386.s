#include "textflag.h"

// PUSHL and POPL are left out where they do not come in pairs, which the assembler insists on: LEAL says the same.

// Of the thread's environment block, at FS.
#define HANDLERS 0x00
#define STACK_BASE 0x04
#define THREAD_ID 0x24
#define LAST_ERROR 0x34
#define STACK_END 0xe0c

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
#define FRAME_QUIET 64

#define KIND_BARE 2

// What lies on the stack of a thunk: what the system knows as a registration of a handler, and what is needed after the call.
#define RECORD_PREV 0
#define RECORD_HANDLER 4
#define RECORD_FRAME 8
#define RECORD_MODES 12
#define RECORD_SIZE 16

TEXT ·threadID(SB),NOSPLIT,$0-4
	MOVL	THREAD_ID(FS), AX
	MOVL	AX, ret+0(FP)
	RET

TEXT ·stackBounds(SB),NOSPLIT,$0-8
	MOVL	STACK_END(FS), AX
	MOVL	AX, low+0(FP)
	MOVL	STACK_BASE(FS), AX
	MOVL	AX, high+4(FP)
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
// messages (of the debugger, the name of a thread) it lets go on. For errors it asks Go, [decide], unless the stack is used up or the
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
