//go:build windows || (unix && cgo)

package native

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
)

func TestBoardLayout(t *testing.T) {
	if c, g := boardLayout(), trace.BoardLayout(); !slices.Equal(c, g) {
		t.Errorf("the layout of the board is in C\n%d\nand in Go\n%d", c, g)
	}
}

// boarded is the fixture board.
type boarded struct {
	testing.TB
	proc uintptr
}

func newBoarded(t *testing.T) *boarded {
	t.Helper()
	l := open(t, staged(t, testext.Fixture(t, "board"), "board.so"))
	t.Cleanup(func() { _, _ = l.Close() }) // it makes a key for data of threads, and stays
	return &boarded{t, l.Lookup("HttpExtensionProc")}
}

// run has the fixture do what script says, for request 7 of image 3; err is the fault.
func (b *boarded) run(script string, write func() isapi.Error) error {
	b.Helper()
	s := NewSlot(&teller{write: write})
	defer s.Release()
	s.Mark(7, 3)
	s.Fill(&Texts{QueryString: script}, 0, nil)
	_, err := HTTPExtensionProc(b.proc, s)
	return err
}

// onThread runs f on a thread that makes no other calls. look answers what the board has of that thread; the last look is answered.
func (b *boarded) onThread(f func(look func() trace.Thread)) (after trace.Thread) {
	b.Helper()
	thread, err := StartThread(0, func() {
		look := func() trace.Thread { return b.thread(self()) }
		f(look)
		after = look()
	})
	if err != nil {
		b.Fatal(err)
	}
	thread.Join()
	return after
}

func (b *boarded) read() trace.Board {
	b.Helper()
	board, err := trace.ReadBoard(Board())
	if err != nil {
		b.Fatal(err)
	}
	return board
}

// thread is that of an id; without ID if it has no line.
func (b *boarded) thread(id int32) trace.Thread {
	b.Helper()
	all := b.read().Threads
	if i := slices.IndexFunc(all, func(th trace.Thread) bool { return th.ID == id }); i >= 0 {
		return all[i]
	}
	return trace.Thread{}
}

// shown is calls in words: name, … if it is open, ! if it faulted, the error, and request:image unless that is 7:3.
func shown(calls []trace.LastCall) string {
	var words []string
	for _, c := range calls {
		w := trace.Name(c.Func, c.Code)
		switch {
		case c.Faulted:
			w += "!"
		case !c.Done:
			w += "…"
		}
		if c.Err != 0 {
			w += fmt.Sprint("=", c.Err)
		}
		if c.Request != 7 || c.Image != 3 {
			w += fmt.Sprintf("(%d:%d)", c.Request, c.Image)
		}
		if c.At <= 0 {
			w += "(no time)"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

func TestBoardOfOneThread(t *testing.T) {
	b := newBoarded(t)
	const inside = "HttpExtensionProc… WriteClient…"
	for _, c := range []struct {
		name, script string
		err          isapi.Error
		open, last   string
	}{
		{"one call", "w", 0, inside, "WriteClient HttpExtensionProc"},
		{"one that fails", "w", isapi.WSAEConnReset, inside, "WriteClient=10054 HttpExtensionProc"},
		{"more than are kept", "C40;", 0, inside, strings.Repeat("WriteClient ", 15) + "HttpExtensionProc"},
		{"a fault", "wwx", 0, inside, "WriteClient WriteClient HttpExtensionProc!"},
		{"a handle that is none", "wf", 0, inside, "WriteClient WriteClient=87(0:0) HttpExtensionProc"},
		{"calls on a thread of its own", "tw", 0, "HttpExtensionProc…", "HttpExtensionProc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &boarded{t, b.proc}
			var open trace.Thread
			after := b.onThread(func(look func() trace.Thread) {
				before := look()
				if before.ID != 0 {
					t.Errorf("a thread that has made no calls is on the board: %+v", before)
				}
				home := self()
				_ = b.run(c.script, func() isapi.Error { open = b.thread(home); return c.err })
			})
			if got := shown(open.Open); got != c.open {
				t.Errorf("inside the callback the board had %q open, want %q", got, c.open)
			}
			if len(after.Open) != 0 || shown(after.Last) != c.last {
				t.Errorf("afterwards the board had %q open and %q last, want nothing and %q", shown(after.Open), shown(after.Last), c.last)
			}
		})
	}
}

// TestBoardAfterFaultsInside: a call that is left by a fault inside of a callback leaves what is around it as it was.
func TestBoardAfterFaultsInside(t *testing.T) {
	b := newBoarded(t)
	var inner, around trace.Thread
	after := b.onThread(func(look func() trace.Thread) {
		err := b.run("w", func() isapi.Error {
			if err := b.run("wx", func() isapi.Error { inner = look(); return isapi.OK }); err == nil {
				t.Error("no fault")
			}
			around = look()
			return isapi.OK
		})
		if err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct{ where, got, want string }{
		{"inside of both", shown(inner.Open), "HttpExtensionProc… WriteClient… HttpExtensionProc… WriteClient…"},
		{"after the fault", shown(around.Open), "HttpExtensionProc… WriteClient…"},
		{"after all", shown(after.Open), ""},
		{"at last", shown(after.Last), "WriteClient HttpExtensionProc! WriteClient HttpExtensionProc"},
	} {
		if c.got != c.want {
			t.Errorf("%s the board had %q, want %q", c.where, c.got, c.want)
		}
	}
}

// TestBoardOfFilter: the calls of a filter are about its context.
func TestBoardOfFilter(t *testing.T) {
	c := newCaller(t, &recorder{})
	c.context.Mark(7, 3)
	b := &boarded{TB: t}
	after := b.onThread(func(func() trace.Thread) { c.do("every call", order{}) })
	want := "GetServerVariable AddResponseHeaders WriteClient AllocMem SF_REQ_DISABLE_NOTIFICATIONS GetHeader SetHeader AddHeader GetUserToken " +
		"HttpFilterProc(SF_NOTIFY_AUTH_COMPLETE)"
	if shown(after.Last) != want {
		t.Errorf("the board has %q, want %q", shown(after.Last), want)
	}
}

// TestBoardNestedDeeply has more calls inside of each other than a line has room for.
func TestBoardNestedDeeply(t *testing.T) {
	b := newBoarded(t)
	var deepest trace.Thread
	after := b.onThread(func(look func() trace.Thread) {
		depth := 0
		var again func() isapi.Error
		again = func() isapi.Error {
			if depth++; depth < 20 {
				_ = b.run("w", again)
			} else {
				deepest = look()
			}
			return isapi.OK
		}
		_ = b.run("w", again)
	})
	if len(deepest.Open) != 8 || len(after.Open) != 0 {
		t.Errorf("%d calls open at the deepest, then %d, want 8 and 0", len(deepest.Open), len(after.Open))
	}
	if want := "WriteClient HttpExtensionProc WriteClient HttpExtensionProc WriteClient HttpExtensionProc WriteClient HttpExtensionProc"; shown(after.Last) != want {
		t.Errorf("last calls %q, want %q", shown(after.Last), want)
	}
}

var writes = trace.FuncCode{Func: trace.WriteClient}

// TestBoardCounts: no call of any thread is forgotten, also of more threads than there are lines, and of those that end.
func TestBoardCounts(t *testing.T) {
	b := newBoarded(t)
	for _, c := range []struct {
		script string
		want   uint64
	}{{"C100;", 100}, {"T40;", 40}, {"T600;", 600}, {"lww", 3}} {
		if c.want > 100 && unsafe.Sizeof(uintptr(0)) == 4 {
			continue // there are no addresses for that many stacks
		}
		before := b.read().Calls[writes]
		if err := b.run(c.script, fine); err != nil {
			t.Fatal(err)
		}
		if got := b.read().Calls[writes] - before; got != c.want {
			t.Errorf("%s: %d calls of WriteClient were counted, want %d", c.script, got, c.want)
		}
	}
	for range 600 { // threads give their lines back
		if err := b.run("lw", fine); err != nil {
			t.Fatal(err)
		}
	}
	after := b.onThread(func(look func() trace.Thread) { _ = b.run("w", fine) })
	if shown(after.Last) != "WriteClient HttpExtensionProc" {
		t.Errorf("after 600 threads came and went a new one has %q on the board", shown(after.Last))
	}
}

func TestBoardErrors(t *testing.T) {
	b := newBoarded(t)
	count := func() (one, all uint64) {
		for e, n := range b.read().Errors {
			all += n
			if e == (trace.FuncError{FuncCode: writes, Err: 1000}) {
				one += n
			}
		}
		return one, all
	}
	one, all := count()
	b.onThread(func(func() trace.Thread) {
		next := isapi.Error(1000)
		_ = b.run("C100;", func() isapi.Error { next++; return next - 1 }) // more kinds than there is room for
	})
	if o, a := count(); o != one+1 || a != all+100 {
		t.Errorf("counted %d of error 1000 and %d in all, want 1 and 100", o-one, a-all)
	}
}

func TestMisuse(t *testing.T) {
	b := newBoarded(t)
	for _, c := range []struct {
		name, script string
		want         Misuse
	}{
		{"of a handle that never was one", "f", Misuse{Kind: NoHandle, Func: trace.WriteClient, Image: 3}},
		{"of a request that has ended", "s", Misuse{Kind: EndedBlock, Func: trace.WriteClient, Image: 3, Request: 7}},
		{"on a thread of its own", "ts", Misuse{Kind: EndedBlock, Func: trace.WriteClient, Image: 3, Request: 7}},
		{"of neither", "w", Misuse{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Misuse
			var stack, second []Frame
			OnMisuse(func(m Misuse) {
				got = m
				AtCaller(func(frames []Frame) { stack = frames })
				AtCaller(func(frames []Frame) { second = frames })
			})
			defer OnMisuse(nil)
			for range 2 { // the first is the request before
				if err := b.run(c.script, fine); err != nil {
					t.Fatal(err)
				}
			}
			if got != c.want {
				t.Errorf("told of %+v, want %+v", got, c.want)
			}
			if c.want != (Misuse{}) && (len(stack) == 0 || !strings.HasPrefix(stack[0].Symbol, "write_one+") || len(second) != len(stack)) {
				t.Errorf("the stacks of the caller are\n%v\n%v\nwant one that begins with write_one, twice", stack, second)
			}
		})
	}
}
