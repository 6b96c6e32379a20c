package native

import "unsafe"

var (
	rtlLookupFunctionEntry = ntdll.NewProc("RtlLookupFunctionEntry")
	rtlVirtualUnwind       = ntdll.NewProc("RtlVirtualUnwind")
)

// context is CONTEXT.
type context struct {
	home                                      [6]uint64
	flags, mxcsr                              uint32
	segments                                  [6]uint16
	eflags                                    uint32
	debug                                     [6]uint64
	rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi    uintptr
	r8, r9, r10, r11, r12, r13, r14, r15, rip uintptr
	_                                         [976]byte
}

// stack is that of the code that called back.
func (e *entry) stack() []uintptr {
	var c context
	c.rip, c.rsp = e.ret, uintptr(unsafe.Pointer(&e.args))
	c.rbx, c.rbp, c.rsi, c.rdi = e.rbx, e.rbp, e.rsi, e.rdi
	c.r12, c.r13, c.r14, c.r15 = e.r12, e.r13, e.r14, e.r15
	return c.walk()
}

func contextStack(at uintptr) []uintptr {
	c := *(*context)(ptr(at))
	return c.walk()
}

// walk follows the stack up to the guard, as far as it can be believed. c is used up.
func (c *context) walk() (pcs []uintptr) {
	low, high := stackBounds()
	buf := zeroed(int(unsafe.Sizeof(unwinder{}))) // aligned as it has to be, and not Go's to move
	if buf == nil {
		return []uintptr{c.rip}
	}
	defer freeMem(buf)
	at := (*unwinder)(buf)
	at.context = *c
	for len(pcs) < faultFrames && (at.rip < thunkAt || at.rip >= thunkEnd) && at.rip != 0 || len(pcs) == 0 {
		pcs = append(pcs, at.rip)
		sp := at.rsp
		if sp < low || sp > high-8 || sp%8 != 0 || !at.up() || at.rsp <= sp {
			break
		}
	}
	return pcs
}

// unwinder is a context and what the system wants room for beside it.
type unwinder struct {
	context
	image, data, establisher uintptr
}

// up makes the context that of the caller, if that can be told.
func (u *unwinder) up() bool {
	find := &frame{quiet: 1, fn: rtlLookupFunctionEntry.Addr(), args: [8]uintptr{u.rip, uintptr(unsafe.Pointer(&u.image))}}
	if find.run(); find.kind != kindNone {
		return false
	}
	if find.ret == 0 { // a leaf, or a jump to what is no code
		u.rip = *(*uintptr)(ptr(u.rsp))
		u.rsp += 8
		return true
	}
	unwind := &frame{quiet: 1, fn: rtlVirtualUnwind.Addr(), args: [8]uintptr{
		0, u.image, u.rip, find.ret, uintptr(unsafe.Pointer(u)), uintptr(unsafe.Pointer(&u.data)), uintptr(unsafe.Pointer(&u.establisher)),
	}}
	unwind.run()
	return unwind.kind == kindNone
}
