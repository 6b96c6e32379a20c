package trace

// BoardSize is the size of a board in bytes: the memory in which the threads of a process note which calls of images they are in. Package
// native writes it, in C; it can be read after the process was killed.
const BoardSize = 2 << 20

// Board is what was read from one. Nothing in it can be believed of a process that runs foreign code.
type Board struct {
	Threads []Thread
	Calls   map[FuncCode]uint64 // since the process began
	Errors  map[FuncError]uint64
}

// FuncCode is a function, and what it was asked for.
type FuncCode struct {
	Func Func
	Code uint32
}

// FuncError is how a function failed.
type FuncError struct {
	FuncCode
	Err uint32
}

// Thread is one that has been inside of an image, or called from one.
type Thread struct {
	ID   int32
	Open []LastCall // entered and not left, outermost first
	Last []LastCall // those it made last, newest last
}

// LastCall is one call.
type LastCall struct {
	FuncCode
	Err     uint32
	Done    bool // it has returned
	Faulted bool
	Request uint64 // 0: not known
	Image   uint64 // number in the process
	At      int64  // of the entry, nanoseconds of the monotonic clock, to some milliseconds
}
