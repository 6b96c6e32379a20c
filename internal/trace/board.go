package trace

import (
	"encoding/binary"
	"errors"
	"slices"
)

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
	Last []LastCall // those it made last and has left, newest last
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

// OtherCode stands in [Board.Calls] for all codes that are not counted each for itself.
const OtherCode = 1<<32 - 1

// The layout, that of native/board.h, where the fields are explained. A page has the head, and one each line.
const (
	boardMagic   = 0x31647062
	boardPage    = 4096
	boardLines   = 511
	lineOpen     = 8
	lineLast     = 16
	lineErrors   = 32
	lineCounts   = 272
	countSupport = 128 // codes of ServerSupportFunction
	countFilter  = 224 // of that of filters
	countNotify  = 240 // notifications, by bit
	callSize     = 40
	errorSize    = 24
	atOpen       = 64
	atLast       = atOpen + lineOpen*callSize
	atCalls      = atLast + lineLast*callSize
	atErrors     = atCalls + lineCounts*8
	stateInside  = 1
	stateDone    = 2
	stateFaulted = 3
)

// BoardLayout is the layout in numbers, for package native, which compares them with those of its C.
func BoardLayout() []uint32 {
	return []uint32{
		BoardSize, boardLines, boardPage, boardPage, 4, 0, 4, 8, 12, atOpen, lineOpen, atLast, lineLast, atCalls, lineCounts, atErrors, lineErrors,
		callSize, 0, 2, 4, 8, 16, 24, 32, errorSize, 0, 4, 8, 16, boardMagic, stateInside, stateDone, stateFaulted,
		countSupport, countFilter, countNotify,
		uint32(DllMain), uint32(GetExtensionVersion), uint32(HttpExtensionProc), uint32(TerminateExtension), uint32(GetFilterVersion),
		uint32(HttpFilterProc), uint32(TerminateFilter), uint32(Completion), uint32(GetServerVariable), uint32(WriteClient), uint32(ReadClient),
		uint32(ServerSupportFunction), uint32(FilterGetServerVariable), uint32(FilterAddResponseHeaders), uint32(FilterWriteClient),
		uint32(FilterAllocMem), uint32(FilterServerSupportFunction), uint32(FilterGetHeader), uint32(FilterSetHeader), uint32(FilterAddHeader),
		uint32(FilterGetUserToken),
	}
}

// BoardPart is how many bytes of a board, of which the first 4096 are given at least, have anything in them. It may be given less: then it is
// the size of all.
func BoardPart(b []byte) int {
	if len(b) < 8 {
		return BoardSize
	}
	lines := min(max(binary.LittleEndian.Uint32(b[4:]), 1), boardLines)
	return boardPage * int(1+lines)
}

var errBoard = errors.New("this is no board")

// ReadBoard reads a copy of a board, all of it or [BoardPart]. What it says is that of whoever could write to it: numbers may be any
// numbers, but there are not more threads and calls than a board has room for.
func ReadBoard(copied []byte) (Board, error) {
	b := Board{Calls: map[FuncCode]uint64{}, Errors: map[FuncError]uint64{}}
	if len(copied) < boardPage || binary.LittleEndian.Uint32(copied) != boardMagic {
		return b, errBoard
	}
	copied = copied[:min(len(copied), BoardPart(copied))]
	for line := range slices.Chunk(copied[boardPage:], boardPage) {
		if len(line) < boardPage {
			break
		}
		readLine(&b, line)
	}
	return b, nil
}

func readLine(b *Board, line []byte) {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(line[at:]) }
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(line[at:]) }
	for i := range lineCounts {
		if n := u64(atCalls + i*8); n != 0 {
			if c, ok := counted(i); ok {
				b.Calls[c] += n
			}
		}
	}
	for i := range lineErrors {
		at := atErrors + i*errorSize
		if n := u64(at + 16); n != 0 {
			fc := FuncCode{Func(binary.LittleEndian.Uint16(line[at:])), u32(at + 4)}
			if fc.Func < MostFuncs {
				b.Errors[FuncError{fc, u32(at + 8)}] += n
			}
		}
	}
	id := int32(u32(0))
	if id <= 0 {
		return
	}
	t := Thread{ID: id}
	for i := range min(int(min(u32(4), lineOpen)), lineOpen) {
		t.Open = appendCall(t.Open, line[atOpen+i*callSize:])
	}
	next := u32(8)
	for i := next - min(next, lineLast); i != next; i++ {
		t.Last = appendCall(t.Last, line[atLast+int(i%lineLast)*callSize:])
	}
	b.Threads = append(b.Threads, t)
}

func appendCall(list []LastCall, p []byte) []LastCall {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(p[at:]) }
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(p[at:]) }
	c := LastCall{
		FuncCode: FuncCode{Func(binary.LittleEndian.Uint16(p)), u32(4)}, Err: u32(8),
		Done: p[2] == stateDone, Faulted: p[2] == stateFaulted,
		Request: u64(16), Image: u64(24), At: int64(u64(32)),
	}
	if c.Func == 0 || c.Func >= MostFuncs || p[2] < stateInside || p[2] > stateFaulted {
		return list
	}
	return append(list, c)
}

// counted is what the counter of that number counts.
func counted(i int) (FuncCode, bool) {
	switch {
	case i < MostFuncs:
		f := Func(i)
		_, known := funcNames[f]
		return FuncCode{f, 0}, known
	case i < countSupport+16:
		return FuncCode{ServerSupportFunction, uint32(i - countSupport)}, true
	case i < countSupport+80:
		return FuncCode{ServerSupportFunction, uint32(i - countSupport - 16 + 1000)}, true
	case i < countSupport+95:
		return FuncCode{ServerSupportFunction, uint32(i - countSupport - 80 + 2000)}, true
	case i == countSupport+95:
		return FuncCode{ServerSupportFunction, OtherCode}, true
	case i < countFilter+15:
		return FuncCode{FilterServerSupportFunction, uint32(i - countFilter)}, true
	case i == countFilter+15:
		return FuncCode{FilterServerSupportFunction, OtherCode}, true
	}
	return FuncCode{HttpFilterProc, 1 << (i - countNotify)}, true
}
