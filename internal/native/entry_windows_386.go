package native

// entry is what a callback is called with, on the stack of the thread that calls.
type entry struct {
	index uintptr // of the callback
	err   uintptr // the last error before the call, and the one it is to leave
	_     [2]uintptr
	// registers of the code that called
	edi, esi, ebx, ebp uintptr
	_                  uintptr
	ret                uintptr    // where it goes on
	args               [5]uintptr // as many as the callback has
}

// Places in the thread's environment block.
const (
	tebStackBase  = 4
	tebStackLimit = 8
	tebStackEnd   = 0xe0c
)
