package native

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/trace"
)

// The board, as package trace reads it and board.h explains it: memory in which each thread notes which calls of images it is in.
type board struct {
	magic uint32
	lines atomic.Uint32 // those after it were never anybody's
	_     [boardPage - 8]byte
	line  [boardLines]boardLine // the first is that of all threads for which there is none
}

type boardLine struct {
	tid    atomic.Int32 // 0: nobody's
	depth  atomic.Uint32
	next   atomic.Uint32
	errors atomic.Uint32
	rounds int32
	_      [44]byte
	open   [boardOpen]boardCall // the first depth
	last   [boardLast]boardCall // a ring; next counts what was put there
	calls  [boardCounts]atomic.Uint64
	error  [boardErrors]boardError // the first errors of them, and the last for all that found no place
	_      [128]byte
}

type boardCall struct {
	fn                 uint16
	state, _           uint8
	code, err, _       uint32
	request, image, at uint64
}

type boardError struct {
	fn, _        uint16
	code, err, _ uint32
	n            atomic.Uint64
}

const (
	boardMagic         = 0x31647062
	boardPage          = 4096
	boardLines         = 511
	boardOpen          = 8
	boardLast          = 16
	boardErrors        = 32
	boardCounts        = 272
	countSupport       = 128 // codes of ServerSupportFunction
	countFilterSupport = 224 // of that of filters
	countNotify        = 240 // notifications, by bit
)

const (
	callInside  = 1
	callDone    = 2
	callFaulted = 3
)

var _ = [1]struct{}{}[unsafe.Sizeof(board{})-trace.BoardSize|unsafe.Sizeof(boardLine{})-boardPage]

var (
	boardMu   sync.Mutex // guards the choice of the board
	boardMem  atomic.Pointer[board]
	boardUsed bool
)

// theBoard is the board that is used from now on.
func theBoard() *board {
	if b := boardMem.Load(); b != nil {
		return b
	}
	boardMu.Lock()
	defer boardMu.Unlock()
	return beginBoard()
}

// beginBoard has a board be there.
func beginBoard() *board {
	b := boardMem.Load()
	if b == nil {
		mem, err := windows.VirtualAlloc(0, trace.BoardSize, windows.MEM_COMMIT|windows.MEM_RESERVE, windows.PAGE_READWRITE)
		if err != nil {
			panic(err)
		}
		b = newBoard(mem)
	}
	return b
}

func newBoard(mem uintptr) *board {
	b := (*board)(ptr(mem))
	b.lines.Store(1)
	b.magic = boardMagic
	boardMem.Store(b)
	return b
}

func useBoard(mem uintptr) bool {
	boardMu.Lock()
	defer boardMu.Unlock()
	if boardUsed {
		return false
	}
	newBoard(mem)
	return true
}

func boardAt() uintptr { return uintptr(unsafe.Pointer(theBoard())) }

func init() { trace.ThreadsBy(threadID) }

// thread is what is known of the thread that has a line, beside the line: the call it is in.
type thread struct {
	guard *frame // the innermost guarded call; nil while a callback runs Go code
	found []func([]Frame)
	depth uint32 // of the callback that found it
}

var threads [boardLines]thread // that of a thread is touched by that thread only

// hints tell the line of a thread by its id, mostly: ids are small multiples of 4.
var hints [1 << 14]atomic.Uint32

func hint(tid int32) *atomic.Uint32 { return &hints[uint32(tid)/4%uint32(len(hints))] }

// lineOf is the number of the line of this thread, 0 if there is none for it.
func lineOf(b *board) int {
	tid := threadID()
	h := hint(tid)
	if i := h.Load(); i != 0 && b.line[i].tid.Load() == tid {
		return int(i)
	}
	return takeLine(b, tid, h)
}

// takeLine finds the line of a thread whose hint is another's, or gives it one.
func takeLine(b *board, tid int32, h *atomic.Uint32) int {
	for i := 1; i < int(min(b.lines.Load(), boardLines)); i++ {
		if b.line[i].tid.Load() == tid {
			h.Store(uint32(i))
			return i
		}
	}
	boardMu.Lock()
	boardUsed = true
	boardMu.Unlock()
	for i := 1; i < boardLines; i++ {
		l := &b.line[i]
		if !l.tid.CompareAndSwap(0, tid) {
			continue
		}
		for n := b.lines.Load(); n <= uint32(i) && !b.lines.CompareAndSwap(n, uint32(i+1)); n = b.lines.Load() {
		}
		l.depth.Store(0)
		l.next.Store(0)
		threads[i] = thread{}
		h.Store(uint32(i))
		beginThread(l)
		return i
	}
	return 0
}

// place is one call on the board, between enter and leave.
type place struct {
	line   *boardLine
	thread *thread // nil: of the shared line
	depth  uint32
	what   trace.Func
	code   uint32
}

// enterCall notes a call about what is at cell, which may be no control block nor filter context; then it is of that image.
func enterCall(what trace.Func, code uint32, cell uintptr, image uint64) place {
	b := theBoard()
	i := lineOf(b)
	l := &b.line[i]
	l.calls[counter(what, code)].Add(1)
	p := place{line: l, what: what, code: code}
	if i == 0 {
		return p
	}
	p.thread = &threads[i]
	p.depth = l.depth.Load()
	if p.depth < boardOpen {
		var request uint64
		if m := markOf(cell); m != nil {
			request, image = m.request, m.image
		}
		l.open[p.depth] = boardCall{fn: uint16(what), state: callInside, code: code, request: request, image: image, at: interruptTime()}
	}
	l.depth.Store(p.depth + 1)
	return p
}

// image is the number of the image that the call is about, 0 if it is not known.
func (p *place) image() uint64 {
	if p.thread == nil || p.depth >= boardOpen {
		return 0
	}
	return p.line.open[p.depth].image
}

// leave ends it. err is the last error of a call that failed. Calls inside of this one that were left by a fault are forgotten.
func (p *place) leave(state uint8, failed bool, err uint32) {
	l := p.line
	if failed {
		p.countError(err)
	}
	if p.thread == nil {
		return
	}
	if p.depth < boardOpen {
		n := l.next.Load()
		to := &l.last[n%boardLast]
		*to = l.open[p.depth]
		to.state, to.err = state, err
		l.next.Store(n + 1)
	}
	l.depth.Store(p.depth)
}

func (p *place) countError(err uint32) {
	l := p.line
	n := min(l.errors.Load(), boardErrors-1)
	for i := range n {
		if e := &l.error[i]; e.fn == uint16(p.what) && e.code == p.code && e.err == err {
			e.n.Add(1)
			return
		}
	}
	if p.thread == nil || n == boardErrors-1 { // under nobody's name
		l.error[boardErrors-1].n.Add(1)
		return
	}
	e := &l.error[n]
	e.fn, e.code, e.err = uint16(p.what), p.code, err
	e.n.Store(1)
	l.errors.Store(n + 1)
}

// counter is where a call is counted: a function without codes at its number, and those with codes where theirs are.
func counter(what trace.Func, code uint32) uint32 {
	switch {
	case what == trace.ServerSupportFunction && code < 16:
		return countSupport + code
	case what == trace.ServerSupportFunction && code-1000 < 64:
		return countSupport + 16 + (code - 1000)
	case what == trace.ServerSupportFunction && code-2000 < 15:
		return countSupport + 80 + (code - 2000)
	case what == trace.ServerSupportFunction:
		return countSupport + 95
	case what == trace.FilterServerSupportFunction:
		return countFilterSupport + min(code, 15)
	case what == trace.HttpFilterProc && code != 0:
		return countNotify + uint32(bits.TrailingZeros32(code))
	}
	return uint32(what)
}

// interruptTime is the monotonic clock of the system in nanoseconds, to some milliseconds. It is the same in all processes.
func interruptTime() uint64 {
	const (
		low   = 0x7ffe0008 // in the page that the system shares with all processes
		high1 = low + 4
		high2 = low + 8
	)
	word := func(at uintptr) uint64 { return uint64(atomic.LoadUint32((*uint32)(ptr(at)))) }
	for {
		h, l := word(high1), word(low)
		if h == word(high2) {
			return (h<<32 | l) * 100
		}
	}
}

// cells are the addresses of control blocks or filter contexts: from base on, every cellSize bytes.
type cells struct {
	base, size uintptr
	marks      unsafe.Pointer
}

var (
	knownCells   atomic.Pointer[[]cells]
	tellingCells sync.Mutex // one table at a time
)

// tellCells has the board know the marks of a slab.
func tellCells(base uintptr, size int, marks unsafe.Pointer) {
	tellingCells.Lock()
	defer tellingCells.Unlock()
	var all []cells
	if p := knownCells.Load(); p != nil {
		all = append(all, *p...)
	}
	all = append(all, cells{base, uintptr(size), marks})
	knownCells.Store(&all)
}

// markOf is what a cell is marked with; nil if it is none.
func markOf(cell uintptr) *mark {
	p := knownCells.Load()
	if p == nil {
		return nil
	}
	for i := range *p {
		c := &(*p)[i]
		if off := cell - c.base; off < c.size {
			return (*mark)(unsafe.Add(c.marks, off/cellSize*unsafe.Sizeof(mark{})))
		}
	}
	return nil
}

// callingImage is the number of the image whose code made the callback that this thread is in; 0 if it is not known.
func callingImage() uint64 {
	b := theBoard()
	i := lineOf(b)
	l := &b.line[i]
	d := l.depth.Load()
	if i == 0 || d < 2 || d > boardOpen {
		return 0
	}
	return l.open[d-2].image
}

// AtCaller is for a callback that found something: f gets the native stack of the code that called, innermost first, when the callback
// has been answered and before it returns there. It must be called on the goroutine of the callback. f must not keep the slice. The first
// stack from a place costs milliseconds, others from there microseconds.
func AtCaller(f func(stack []Frame)) {
	b := theBoard()
	i := lineOf(b)
	if i == 0 {
		return // nobody knows which callback this is
	}
	t := &threads[i]
	if d := b.line[i].depth.Load(); t.depth != d {
		t.found, t.depth = nil, d
	}
	t.found = append(t.found, f)
}

// boardLayout is the layout that this code has, in the order of [trace.BoardLayout].
func boardLayout() []uint32 {
	var (
		b board
		l boardLine
		c boardCall
		e boardError
	)
	at := func(field unsafe.Pointer, of unsafe.Pointer) uint32 { return uint32(uintptr(field) - uintptr(of)) }
	inLine := func(field unsafe.Pointer) uint32 { return at(field, unsafe.Pointer(&l)) }
	inCall := func(field unsafe.Pointer) uint32 { return at(field, unsafe.Pointer(&c)) }
	inError := func(field unsafe.Pointer) uint32 { return at(field, unsafe.Pointer(&e)) }
	layout := []uint32{
		uint32(unsafe.Sizeof(b)), boardLines, uint32(unsafe.Offsetof(b.line)), uint32(unsafe.Sizeof(l)),
		uint32(unsafe.Offsetof(b.lines)), inLine(unsafe.Pointer(&l.tid)), inLine(unsafe.Pointer(&l.depth)), inLine(unsafe.Pointer(&l.next)),
		inLine(unsafe.Pointer(&l.errors)), inLine(unsafe.Pointer(&l.open)), boardOpen, inLine(unsafe.Pointer(&l.last)), boardLast,
		inLine(unsafe.Pointer(&l.calls)), boardCounts, inLine(unsafe.Pointer(&l.error)), boardErrors,
		uint32(unsafe.Sizeof(c)), inCall(unsafe.Pointer(&c.fn)), inCall(unsafe.Pointer(&c.state)), inCall(unsafe.Pointer(&c.code)),
		inCall(unsafe.Pointer(&c.err)), inCall(unsafe.Pointer(&c.request)), inCall(unsafe.Pointer(&c.image)), inCall(unsafe.Pointer(&c.at)),
		uint32(unsafe.Sizeof(e)), inError(unsafe.Pointer(&e.fn)), inError(unsafe.Pointer(&e.code)), inError(unsafe.Pointer(&e.err)),
		inError(unsafe.Pointer(&e.n)), boardMagic, callInside, callDone, callFaulted, countSupport, countFilterSupport, countNotify,
	}
	for _, f := range []trace.Func{
		trace.DllMain, trace.GetExtensionVersion, trace.HttpExtensionProc, trace.TerminateExtension, trace.GetFilterVersion, trace.HttpFilterProc,
		trace.TerminateFilter, trace.Completion, trace.GetServerVariable, trace.WriteClient, trace.ReadClient, trace.ServerSupportFunction,
		trace.FilterGetServerVariable, trace.FilterAddResponseHeaders, trace.FilterWriteClient, trace.FilterAllocMem,
		trace.FilterServerSupportFunction, trace.FilterGetHeader, trace.FilterSetHeader, trace.FilterAddHeader, trace.FilterGetUserToken,
	} {
		layout = append(layout, uint32(f))
	}
	return layout
}
