package native

// entry is what a callback is called with, on the stack of the thread that calls.
type entry struct {
	index uintptr // of the callback
	err   uintptr // the last error before the call, and the one it is to leave
	_     uintptr // modes of the processor
	// registers of the code that called
	r15, r14, r13, r12, rdi, rsi, rbx, rbp uintptr
	ret                                    uintptr    // where it goes on
	args                                   [5]uintptr // as many as the callback has
}

// Places in the thread's environment block.
const (
	tebStackBase  = 0x08
	tebStackLimit = 0x10
	tebStackEnd   = 0x1478
)
