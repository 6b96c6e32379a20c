package native

import "unsafe"

// context is CONTEXT.
type context struct {
	flags              uint32
	debug              [6]uint32
	float              [112]byte
	gs, fs, es, ds     uint32
	edi, esi, ebx, edx uintptr
	ecx, eax, ebp, eip uintptr
	cs, eflags         uint32
	esp                uintptr
	ss                 uint32
	_                  [512]byte
}

// Where the assembly finds things in a foreignFault.
const (
	foreignRecord  = 16
	foreignContext = 96
	foreignSize    = 812
)

func (c *context) pc() uintptr { return c.eip }

// stack is that of the code that called back.
func (e *entry) stack() []uintptr {
	c := context{eip: e.ret, ebp: e.ebp, esp: uintptr(unsafe.Pointer(&e.args))}
	pcs, _ := c.walk(stackBounds())
	return pcs
}

// walk follows the frames that EBP names up to the guard: code that uses it for something else is left out, with those who called it.
func (c *context) walk(low, high uintptr) (pcs []uintptr, end uintptr) {
	pcs = []uintptr{c.eip}
	bp, sp := c.ebp, c.esp
	if sp >= low && sp < high-4 && readMaps().find(c.eip) == nil { // a jump to what is no code
		pcs = append(pcs, *(*uintptr)(ptr(sp)))
	}
	for len(pcs) < faultFrames && bp >= max(low, sp) && bp < high-8 && bp%4 == 0 {
		pc := *(*uintptr)(ptr(bp + 4))
		if pc == 0 || pc >= thunkAt && pc < thunkEnd {
			break
		}
		pcs = append(pcs, pc)
		sp, bp = bp+8, *(*uintptr)(ptr(bp))
	}
	return pcs, 0
}
