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

// Where the assembly finds things in a foreignFault.
const (
	foreignRecord  = 24
	foreignContext = 176
	foreignSize    = 1408
)

func (c *context) pc() uintptr { return c.rip }

// stack is that of the code that called back.
func (e *entry) stack() []uintptr {
	c := context{rip: e.ret, rsp: uintptr(unsafe.Pointer(&e.args)), rbx: e.rbx, rbp: e.rbp, rsi: e.rsi, rdi: e.rdi, r12: e.r12, r13: e.r13, r14: e.r14, r15: e.r15}
	pcs, _ := c.walk(stackBounds())
	return pcs
}

// walk follows the stack up to the guard, as far as it can be believed, and answers where the stack pointer was there; 0 if it did not
// come to it. It answers the first frames only.
func (c *context) walk(low, high uintptr) (pcs []uintptr, end uintptr) {
	pcs = []uintptr{c.rip}
	buf := zeroed(int(unsafe.Sizeof(unwinder{}))) // aligned as it has to be, and not Go's to move
	if buf == nil {
		return pcs, 0
	}
	defer freeMem(buf)
	u := (*unwinder)(buf)
	u.context = *c
	for {
		sp := u.rsp
		if sp < low || sp > high-8 || sp%8 != 0 || !u.up() || u.rsp <= sp || u.rip == 0 {
			return pcs, 0
		}
		if u.rip >= thunkAt && u.rip < thunkEnd {
			return pcs, u.rsp
		}
		if len(pcs) < faultFrames {
			pcs = append(pcs, u.rip)
		}
	}
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
