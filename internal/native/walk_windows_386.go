package native

import "unsafe"

// contextAt are the places of registers in CONTEXT.
const (
	contextEbp = 0xb4
	contextEip = 0xb8
	contextEsp = 0xc4
)

// stack is that of the code that called back.
func (e *entry) stack() []uintptr {
	return walk([]uintptr{e.ret}, e.ebp, uintptr(unsafe.Pointer(&e.args)))
}

func contextStack(at uintptr) []uintptr {
	register := func(offset uintptr) uintptr { return *(*uintptr)(ptr(at + offset)) }
	pc, sp := register(contextEip), register(contextEsp)
	pcs := []uintptr{pc}
	if low, high := stackBounds(); sp >= low && sp < high-4 && readMaps().find(pc) == nil { // a jump to what is no code
		pcs = append(pcs, *(*uintptr)(ptr(sp)))
	}
	return walk(pcs, register(contextEbp), sp)
}

// walk follows the frames that BP names up to the guard: code that uses it for something else is left out, with those who called it.
func walk(pcs []uintptr, bp, sp uintptr) []uintptr {
	low, high := stackBounds()
	for len(pcs) < faultFrames && bp >= max(low, sp) && bp < high-8 && bp%4 == 0 {
		pc := *(*uintptr)(ptr(bp + 4))
		if pc == 0 || pc >= thunkAt && pc < thunkEnd {
			break
		}
		pcs = append(pcs, pc)
		sp, bp = bp+8, *(*uintptr)(ptr(bp))
	}
	return pcs
}
