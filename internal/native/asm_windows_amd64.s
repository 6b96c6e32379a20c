#include "textflag.h"

// Of the thread's environment block.
#define TEB 0x30
#define LAST_ERROR 0x68
#define THREAD_ID 0x48
#define STACK_BASE 0x08
#define STACK_END 0x1478
#define PEB 0x60

// Of the process's environment block, and of a critical section.
#define LOADER_LOCK 0x110
#define LOCK_OWNER 0x10

// What has to be left of the stack for a callback, for Go's runtime; with less it fails with ERROR_STACK_OVERFLOW.
#define STACK_NEEDED 0x18000

// Of a foreignFault.
#define FOREIGN_MOST 16
#define FOREIGN_THREAD 4
#define FOREIGN_LOW 8
#define FOREIGN_HIGH 16
#define FOREIGN_RECORD 24
#define FOREIGN_CONTEXT 176
#define FOREIGN_SIZE 1408
#define RECORD_SIZE 152
#define CONTEXT_SIZE 1232

TEXT ·threadID(SB),NOSPLIT,$0-4
	MOVQ	TEB(GS), AX
	MOVL	THREAD_ID(AX), AX
	MOVL	AX, ret+0(FP)
	RET

TEXT ·teb(SB),NOSPLIT,$0-8
	MOVQ	TEB(GS), AX
	MOVQ	AX, ret+0(FP)
	RET

// callback is called by an image with the number of the callback in AX. It builds an entry on the stack, gives it to Go, and sets the
// last error as its very last act. It calls Go with the modes of the processor that Go expects. A thread whose stack is nearly used up is
// turned away before anything is written to it.
TEXT callback<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ	TEB(GS), R10
	MOVQ	STACK_END(R10), R11
	ADDQ	$STACK_NEEDED, R11
	CMPQ	SP, R11
	JLS	full
	MOVQ	CX, 0x08(SP)
	MOVQ	DX, 0x10(SP)
	MOVQ	R8, 0x18(SP)
	MOVQ	R9, 0x20(SP)
	SUBQ	$0x78, SP
	MOVQ	BP, 0x70(SP)
	MOVQ	BX, 0x68(SP)
	MOVQ	SI, 0x60(SP)
	MOVQ	DI, 0x58(SP)
	MOVQ	R12, 0x50(SP)
	MOVQ	R13, 0x48(SP)
	MOVQ	R14, 0x40(SP)
	MOVQ	R15, 0x38(SP)
	MOVL	LAST_ERROR(R10), R11
	MOVQ	R11, 0x28(SP)
	MOVQ	AX, 0x20(SP)
	STMXCSR	0x30(SP)
	MOVL	$0x1f80, 0x34(SP)
	LDMXCSR	0x34(SP)
	LEAQ	0x20(SP), CX
	MOVQ	·callbackInGo(SB), AX
	CALL	AX
	LDMXCSR	0x30(SP)
	MOVL	0x28(SP), CX
	ADDQ	$0x78, SP
	MOVQ	TEB(GS), R10
	MOVL	CX, LAST_ERROR(R10)
	RET
full:
	MOVL	$1001, LAST_ERROR(R10)
	XORL	AX, AX
	RET

#define CALLBACK(name, n) TEXT name<>(SB),NOSPLIT|NOFRAME,$0; MOVL $n, AX; JMP callback<>(SB)
CALLBACK(callback0, 0)
CALLBACK(callback1, 1)
CALLBACK(callback2, 2)
CALLBACK(callback3, 3)
CALLBACK(callback4, 4)
CALLBACK(callback5, 5)
CALLBACK(callback6, 6)
CALLBACK(callback7, 7)
CALLBACK(callback8, 8)
CALLBACK(callback9, 9)
CALLBACK(callback10, 10)
CALLBACK(callback11, 11)
CALLBACK(callback12, 12)

TEXT ·callbackAddresses(SB),NOSPLIT,$0-8
	MOVQ	to+0(FP), AX
#define ADDRESS(name, n) MOVQ $name<>(SB), CX; MOVQ CX, (8*n)(AX)
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
	TESTQ	CX, CX
	JEQ	none
	MOVL	$0, 4(CX)
	MOVL	$0, 0(CX)
none:
	RET

TEXT ·endOfThreadAddress(SB),NOSPLIT,$0-8
	MOVQ	$endOfThread<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// filter(pointers *) is asked last of all about an exception of any thread, when nobody has handled it. A thread that Go knows is Go's to
// tell of. Any other is one that an image has made: what it had is kept for Go to read, as far as there is room, and it never runs
// again. It cannot ask Go: its stack may be used up. A heap that is corrupt may have its lock held: the process ends.
TEXT filter<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ	0(CX), AX
	MOVL	0(AX), AX
	CMPL	AX, $0xc0000374
	JEQ	end
	CMPL	AX, $0xc0000409
	JEQ	end
	MOVQ	TLS, AX
	TESTQ	AX, AX
	JEQ	foreign
	MOVQ	0(AX)(TLS*1), AX
	TESTQ	AX, AX
	JEQ	foreign
	MOVQ	·filterBefore(SB), AX
	TESTQ	AX, AX
	JEQ	pass
	JMP	AX
pass:
	XORL	AX, AX
	RET
end:
	SUBQ	$0x28, SP
	MOVQ	·endInGo(SB), AX
	CALL	AX
	INT	$3
foreign:
	ANDQ	$~15, SP
	SUBQ	$0x20, SP
	LEAQ	·foreign(SB), BX
	MOVL	$FOREIGN_MOST, DX
next:
	XORL	AX, AX
	MOVL	$1, R8
	LOCK
	CMPXCHGL	R8, 0(BX)
	JEQ	found
	ADDQ	$FOREIGN_SIZE, BX
	DECL	DX
	JNE	next
	JMP	sleep
found:
	MOVQ	TEB(GS), AX
	MOVL	THREAD_ID(AX), DX
	MOVL	DX, FOREIGN_THREAD(BX)
	MOVQ	STACK_END(AX), DX
	MOVQ	DX, FOREIGN_LOW(BX)
	MOVQ	STACK_BASE(AX), DX
	MOVQ	DX, FOREIGN_HIGH(BX)
	CLD
	MOVQ	CX, DX
	MOVQ	0(DX), SI
	LEAQ	FOREIGN_RECORD(BX), DI
	MOVL	$RECORD_SIZE, CX
	REP; MOVSB
	MOVQ	8(DX), SI
	LEAQ	FOREIGN_CONTEXT(BX), DI
	MOVL	$CONTEXT_SIZE, CX
	REP; MOVSB
	MOVL	$2, AX
	XCHGL	AX, 0(BX)
sleep:
	MOVL	$-1, CX
	MOVQ	·sleepAt(SB), AX
	CALL	AX
	JMP	sleep

// smashed(pointers *) is asked before all others, after Go, about an exception of any thread; those of threads that Go runs it gives to
// Go.
TEXT smashed<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ	0(CX), AX
	MOVL	0(AX), AX
	CMPL	AX, $0xc00000fd // no room to ask
	JEQ	not
	SHRL	$28, AX
	CMPL	AX, $0xc // the system's own errors: others are raised by code that stands where it should
	JNE	not
	MOVQ	TLS, AX
	TESTQ	AX, AX
	JEQ	not
	MOVQ	0(AX)(TLS*1), AX
	TESTQ	AX, AX
	JEQ	not
	MOVQ	TEB(GS), AX
	MOVQ	STACK_END(AX), AX
	ADDQ	$STACK_NEEDED, AX
	CMPQ	SP, AX
	JLS	not
	SUBQ	$0x28, SP
	MOVQ	·smashedInGo(SB), AX
	CALL	AX
	ADDQ	$0x28, SP
	RET
not:
	XORL	AX, AX
	RET

// continued(pointers *) is asked before Go about an exception after which the thread is to go on; those of threads that Go runs it gives to
// Go.
TEXT continued<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ	TLS, AX
	TESTQ	AX, AX
	JEQ	not
	MOVQ	0(AX)(TLS*1), AX
	TESTQ	AX, AX
	JEQ	not
	SUBQ	$0x28, SP
	MOVQ	·continuedInGo(SB), AX
	CALL	AX
	ADDQ	$0x28, SP
	RET
not:
	XORL	AX, AX
	RET

// hook is called instead of a function that ends the process or the thread, with the number of the hook in AX and the arguments of that
// function. Go says what is to be done: raise what it has put into the answer, or, 0, the function itself.
TEXT hook<>(SB),NOSPLIT|NOFRAME,$0
	SUBQ	$0x48, SP
	MOVQ	CX, 0x20(SP)
	MOVQ	DX, 0x28(SP)
	MOVQ	R8, 0x30(SP)
	MOVQ	AX, 0x38(SP)
	MOVQ	CX, DX
	MOVQ	AX, CX
	LEAQ	0x20(SP), DX
	MOVQ	·hookInGo(SB), AX
	CALL	AX
	MOVQ	0x20(SP), CX
	MOVQ	0x28(SP), DX
	MOVQ	0x30(SP), R8
	MOVQ	0x38(SP), R10
	ADDQ	$0x48, SP
	TESTQ	AX, AX
	JNE	raise
	LEAQ	·hooked(SB), AX
	JMP	(AX)(R10*8)
raise:
	MOVL	$0xe0495341, CX
	MOVL	$1, DX
	MOVL	$2, R8
	MOVQ	AX, R9
	MOVQ	·raiseAt(SB), AX
	JMP	AX

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

TEXT ·hookAddresses(SB),NOSPLIT,$0-8
	MOVQ	to+0(FP), AX
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

TEXT ·filterAddress(SB),NOSPLIT,$0-8
	MOVQ	$filter<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·vectoredAddresses(SB),NOSPLIT,$0-16
	MOVQ	$smashed<>(SB), AX
	MOVQ	AX, smashed+0(FP)
	MOVQ	$continued<>(SB), AX
	MOVQ	AX, continued+8(FP)
	RET

TEXT stackPointer<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ	SP, AX
	RET

TEXT ·stackPointerAddress(SB),NOSPLIT,$0-8
	MOVQ	$stackPointer<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// copied is called instead of a function that DllMain calls, too, with its number in AX. A thread that holds the loader's lock gets the
// system's own: Go must not be entered then, because threads that Go has just made wait for that lock and have what Go needs to run.
TEXT copied<>(SB),NOSPLIT|NOFRAME,$0
	MOVQ	TEB(GS), R10
	MOVQ	PEB(R10), R11
	MOVQ	LOADER_LOCK(R11), R11
	TESTQ	R11, R11
	JEQ	ours
	MOVQ	LOCK_OWNER(R11), R11
	MOVL	THREAD_ID(R10), R10
	CMPL	R11, R10
	JEQ	theirs
ours:
	LEAQ	·copiedInGo(SB), R10
	JMP	(R10)(AX*8)
theirs:
	LEAQ	·copiedBefore(SB), R10
	JMP	(R10)(AX*8)

#define COPIED(name, n) TEXT name<>(SB),NOSPLIT|NOFRAME,$0; MOVL $n, AX; JMP copied<>(SB)
COPIED(copied0, 0)
COPIED(copied1, 1)
COPIED(copied2, 2)
COPIED(copied3, 3)

TEXT ·copiedAddresses(SB),NOSPLIT,$0-8
	MOVQ	to+0(FP), AX
	ADDRESS(copied0, 0)
	ADDRESS(copied1, 1)
	ADDRESS(copied2, 2)
	ADDRESS(copied3, 3)
	RET
