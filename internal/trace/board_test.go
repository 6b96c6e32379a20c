package trace

import (
	"encoding/binary"
	"reflect"
	"testing"
)

// boardOf is a board whose lines begin with those words.
func boardOf(lines ...[]byte) []byte {
	b := make([]byte, boardPage*(1+len(lines)))
	binary.LittleEndian.PutUint32(b, boardMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(lines)))
	for i, l := range lines {
		copy(b[boardPage*(1+i):], l)
	}
	return b
}

// lineOf is a line of a thread with a depth and the number of calls that were ended, and these calls from at on.
func lineOf(tid int32, depth, next uint32, at int, calls ...LastCall) []byte {
	l := make([]byte, boardPage)
	le := binary.LittleEndian
	le.PutUint32(l, uint32(tid))
	le.PutUint32(l[4:], depth)
	le.PutUint32(l[8:], next)
	for i, c := range calls {
		p := l[at+i*callSize:]
		le.PutUint16(p, uint16(c.Func))
		switch p[2] = stateInside; {
		case c.Faulted:
			p[2] = stateFaulted
		case c.Done:
			p[2] = stateDone
		}
		le.PutUint32(p[4:], c.Code)
		le.PutUint32(p[8:], c.Err)
		le.PutUint64(p[16:], c.Request)
		le.PutUint64(p[24:], c.Image)
		le.PutUint64(p[32:], uint64(c.At))
	}
	return l
}

func TestReadBoard(t *testing.T) {
	inside := LastCall{FuncCode: FuncCode{ServerSupportFunction, 1001}, Request: 1 << 60, Image: 9, At: 12345}
	done := LastCall{FuncCode: FuncCode{WriteClient, 0}, Err: 64, Done: true, Request: 2, At: 1}
	faulted := LastCall{FuncCode: FuncCode{HttpExtensionProc, 0}, Done: false, Faulted: true}
	many := make([]LastCall, lineLast)
	for i := range many {
		many[i] = LastCall{FuncCode: FuncCode{WriteClient, 0}, Done: true, At: int64(i)}
	}
	for _, c := range []struct {
		name string
		mem  []byte
		want []Thread // nil: no board
	}{
		{"nothing", nil, nil},
		{"less than its head", boardOf()[:100], nil},
		{"no board", make([]byte, BoardSize), nil},
		{"no threads", boardOf(), []Thread{}},
		{"a line that is cut off", boardOf(lineOf(5, 0, 0, 0))[:boardPage+100], []Thread{}},
		{"a call that goes on", boardOf(lineOf(5, 1, 0, atOpen, inside)), []Thread{{ID: 5, Open: []LastCall{inside}}}},
		{"calls that have ended", boardOf(lineOf(5, 0, 2, atLast, done, faulted)), []Thread{{ID: 5, Last: []LastCall{done, faulted}}}},
		{"more than there is room for", boardOf(lineOf(5, 0, 16+3, atLast, many...)), []Thread{{ID: 5, Last: append(append([]LastCall{}, many[3:]...), many[:3]...)}}},
		{"a count that went round", boardOf(lineOf(5, 0, 1, atLast, many...)), []Thread{{ID: 5, Last: many[:1]}}},
		{"a depth beyond all measure", boardOf(lineOf(5, 1<<32-1, 0, atOpen, inside)), []Thread{{ID: 5, Open: []LastCall{inside}}}},
		{"a thread of nobody", boardOf(lineOf(0, 1, 0, atOpen, inside), lineOf(-1, 1, 0, atOpen, inside)), []Thread{}},
		{"a function that is none", boardOf(lineOf(5, 1, 0, atOpen, LastCall{FuncCode: FuncCode{MostFuncs, 0}})), []Thread{{ID: 5}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := ReadBoard(c.mem)
			if (err != nil) != (c.want == nil) {
				t.Fatalf("error %v", err)
			}
			if len(b.Threads)+len(c.want) > 0 && !reflect.DeepEqual(b.Threads, c.want) {
				t.Errorf("read %+v\nwant %+v", b.Threads, c.want)
			}
		})
	}
}

func TestReadBoardCounts(t *testing.T) {
	l, again := lineOf(5, 0, 0, 0), lineOf(0, 0, 0, 0)
	le := binary.LittleEndian
	for i := range lineCounts {
		le.PutUint64(l[atCalls+i*8:], 1)
		le.PutUint64(again[atCalls+i*8:], 10)
	}
	le.PutUint16(l[atErrors:], uint16(WriteClient))
	le.PutUint32(l[atErrors+8:], 87)
	le.PutUint64(l[atErrors+16:], 3)
	b, err := ReadBoard(boardOf(l, again))
	if err != nil {
		t.Fatal(err)
	}
	for _, fc := range []FuncCode{
		{HttpExtensionProc, 0}, {WriteClient, 0}, {FilterGetUserToken, 0}, {ServerSupportFunction, 1}, {ServerSupportFunction, 1001},
		{ServerSupportFunction, 2002}, {ServerSupportFunction, OtherCode}, {FilterServerSupportFunction, 3}, {HttpFilterProc, 1 << 26},
	} {
		if b.Calls[fc] != 11 {
			t.Errorf("%s (%d) was counted %d times, want 11", Name(fc.Func, fc.Code), fc.Code, b.Calls[fc])
		}
	}
	if want := (FuncError{FuncCode{WriteClient, 0}, 87}); len(b.Errors) != 1 || b.Errors[want] != 3 {
		t.Errorf("errors %v, want 3 of %v", b.Errors, want)
	}
}

// FuzzReadBoard: whatever is in the memory, reading it ends, and finds no more than there is room for.
func FuzzReadBoard(f *testing.F) {
	f.Add([]byte{})
	f.Add(boardOf())
	f.Add(boardOf(lineOf(5, 3, 40, atOpen, LastCall{FuncCode: FuncCode{WriteClient, 0}}), lineOf(7, 1<<32-1, 1<<32-1, atLast)))
	f.Fuzz(func(t *testing.T, mem []byte) {
		if n := BoardPart(mem); n < boardPage || n > BoardSize {
			t.Errorf("BoardPart = %d", n)
		}
		b, err := ReadBoard(mem)
		if err != nil {
			return
		}
		if len(b.Threads) > boardLines || len(b.Calls) > lineCounts || len(b.Errors) > boardLines*lineErrors {
			t.Errorf("%d threads, %d calls, %d errors", len(b.Threads), len(b.Calls), len(b.Errors))
		}
		for _, th := range b.Threads {
			if th.ID <= 0 || len(th.Open) > lineOpen || len(th.Last) > lineLast {
				t.Errorf("thread %d has %d calls open and %d last", th.ID, len(th.Open), len(th.Last))
			}
		}
	})
}
