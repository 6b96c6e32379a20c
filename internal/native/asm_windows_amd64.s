#include "textflag.h"

// Of the thread's environment block.
#define TEB 0x30
#define LAST_ERROR 0x68
#define THREAD_ID 0x48
#define STACK_BASE 0x08
#define STACK_END 0x1478

// What has to be left of the stack for a callback, for Go's runtime; with less it fails with ERROR_STACK_OVERFLOW.
#define STACK_NEEDED 0x18000

TEXT ·threadID(SB),NOSPLIT,$0-4
	MOVQ	TEB(GS), AX
	MOVL	THREAD_ID(AX), AX
	MOVL	AX, ret+0(FP)
	RET

TEXT ·stackBounds(SB),NOSPLIT,$0-16
	MOVQ	TEB(GS), AX
	MOVQ	STACK_END(AX), CX
	MOVQ	CX, low+0(FP)
	MOVQ	STACK_BASE(AX), CX
	MOVQ	CX, high+8(FP)
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
