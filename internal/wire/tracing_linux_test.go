package wire

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/trace"
)

// TestTrace: events arrive in front of the END of their request, in the same write, with what is counted.
func TestTrace(t *testing.T) {
	leavesNothing(t)
	worker, p := likeFront(t, func(x *Exchange) {
		if !x.Link().Trace(7, []byte("events"), 2, 3) || !x.Link().Trace(8, nil, -1, 1<<40) {
			t.Error("it is not taken")
		}
		x.End(ended(200))
	})
	p.put(end(get().append(begin(nil, kRequest, 0, 3)), 0))
	var kinds []string
	for {
		f, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, f.kind.String()+" "+string(f.payload))
		if f.kind == kEnd {
			break
		}
		if len(p.buf) == 0 && len(kinds) > 0 {
			t.Errorf("%q came without the rest", kinds)
		}
	}
	want := []string{"TRACE " + string(numbers(7, 2, 3)) + "events", "TRACE " + string(numbers(8, 0, 1<<31-1))}
	if len(kinds) != 3 || kinds[0] != want[0] || kinds[1] != want[1] {
		t.Errorf("got %q, want %q and END", kinds, want)
	}
	worker.Close(nil)
}

// TestTraceArrives: what was sent is what the front is told, also when nothing else is sent.
func TestTraceArrives(t *testing.T) {
	leavesNothing(t)
	a, b := sides(t)
	type told struct {
		sub             uint32
		p               string
		events, dropped int
	}
	came := make(chan told, 10)
	run(t, a, &owner{trace: func(sub uint32, p []byte, events, dropped int) error {
		came <- told{sub, string(p), events, dropped}
		return nil
	}}, true)
	worker := run(t, b, &owner{}, false)
	for _, want := range []told{{1, "one", 1, 0}, {2, "", 0, 9}, {3, strings.Repeat("x", maxTrace-30), 5, 0}} {
		if !worker.Trace(want.sub, []byte(want.p), want.events, want.dropped) {
			t.Fatal("it is not taken")
		}
		if got := soon(t, "the TRACE", came); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if worker.Trace(1, make([]byte, maxTrace), 1, 0) {
		t.Error("one that is too long is taken")
	}
	worker.Close(nil)
	soon(t, "the end", worker.done)
	if worker.Trace(1, []byte("x"), 1, 0) {
		t.Error("one is taken when the link is over")
	}
}

// TestTraceBounded: while the front does not read, no more events wait than may, and answers wait as always.
func TestTraceBounded(t *testing.T) {
	leavesNothing(t)
	taken := make(chan int, 1)
	worker, p := likeFront(t, func(x *Exchange) {
		piece, n := make([]byte, 10_000), 0
		for x.Link().Trace(1, piece, 1, 0) {
			n++
		}
		taken <- n
		x.End(ended(200))
	})
	came := 0
	p.put(end(get().append(begin(nil, kRequest, 0, 3)), 0))
	for {
		f, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		if f.kind == kTrace {
			came++
		}
		if f.kind == kEnd {
			break
		}
	}
	if n := <-taken; came != n || came < maxTraced/10_100 {
		t.Errorf("%d came of %d that were taken", came, n)
	}
	worker.send.mu.Lock()
	defer worker.send.mu.Unlock()
	if worker.send.held > maxTraced || cap(worker.send.queue.b) > 4*maxTraced {
		t.Errorf("%d bytes are held, there is room for %d", worker.send.held, cap(worker.send.queue.b))
	}
}

func boardFrame() []byte { return appendFrame(nil, kBoard, 0, 0, numbers(trace.BoardSize)) }

// TestBoard: the front reads what the worker writes, and nobody can change the size of it.
func TestBoard(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	board, err := NewBoard()
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	a, b := sides(t)
	front := run(t, a, &owner{}, true)
	if err := front.GiveBoard(board); err != nil {
		t.Fatal(err)
	}
	mapped := make(chan []byte, 1)
	run(t, b, &owner{board: func(f *os.File) error {
		mem, err := MapBoard(f)
		mapped <- mem
		return err
	}}, false)
	mem := soon(t, "the board", mapped)
	if len(mem) != trace.BoardSize {
		t.Fatalf("it has %d bytes", len(mem))
	}
	copy(mem[5000:], "what was done")
	if err := unix.Munmap(mem); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 13)
	if _, err := board.ReadAt(got, 5000); err != nil || string(got) != "what was done" {
		t.Errorf("got %q, %v", got, err)
	}
	if unix.Ftruncate(int(board.Fd()), 0) == nil || addSeals(board, unix.F_SEAL_WRITE) == nil {
		t.Error("its size or its seals can be changed")
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(board.Fd()), &st); err != nil || st.Blocks*512 > 8192 {
		t.Errorf("%d bytes of memory are there, %v", st.Blocks*512, err)
	}
}

// TestHostileBoards: a worker takes only memory that stays, at its beginning only.
func TestHostileBoards(t *testing.T) {
	descriptors(t)
	good := func(t *testing.T) *os.File { return memory(t, trace.BoardSize, boardSeals) }
	for name, c := range map[string]struct {
		send func(t *testing.T, p *peer)
		want string
	}{
		"no descriptor": {func(_ *testing.T, p *peer) { p.put(boardFrame()) }, "BOARD without a descriptor"},
		"no seals":      {func(t *testing.T, p *peer) { p.withFile(boardFrame(), memory(t, trace.BoardSize, 0)) }, "a board without seals"},
		"more seals":    {func(t *testing.T, p *peer) { p.withFile(boardFrame(), memory(t, trace.BoardSize, firmSeals)) }, "a board without seals"},
		"short":         {func(t *testing.T, p *peer) { p.withFile(boardFrame(), memory(t, trace.BoardSize-1, boardSeals)) }, "a board of 2097151 bytes"},
		"device":        {func(t *testing.T, p *peer) { p.withFile(boardFrame(), opened(t, "/dev/zero")) }, "a board without seals"},
		"other size":    {func(t *testing.T, p *peer) { p.withFile(appendFrame(nil, kBoard, 0, 0, numbers(5)), good(t)) }, "BOARD of 5 bytes"},
		"noise":         {func(t *testing.T, p *peer) { p.withFile(appendFrame(nil, kBoard, 0, 0, []byte{0xff}), good(t)) }, "BOARD cannot be decoded"},
		"exchange": {func(t *testing.T, p *peer) {
			p.withFile(appendFrame(nil, kBoard, 0, 3, numbers(trace.BoardSize)), good(t))
		}, "unexpected BOARD 3"},
		"twice": {func(t *testing.T, p *peer) {
			p.withFile(boardFrame(), good(t))
			p.withFile(boardFrame(), good(t))
		}, "unexpected BOARD 0"},
		"late": {func(t *testing.T, p *peer) {
			p.put(appendFrame(nil, kCancel, 0, 0, nil)[:0])
			p.put(end(get().append(begin(nil, kRequest, 0, 3)), 0))
			p.withFile(boardFrame(), good(t))
		}, "unexpected BOARD 0"},
		"trace": {func(_ *testing.T, p *peer) { p.put(appendFrame(nil, kTrace, 0, 0, numbers(1, 2, 3))) }, "unexpected TRACE 0"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			leavesNothing(t)
			a, b := sides(t)
			p := &peer{side: a, t: t}
			t.Cleanup(func() { a.Close() })
			worker := run(t, b, &owner{
				serve: func(x *Exchange) { x.End(ended(200)) },
				board: func(f *os.File) error {
					mem, err := MapBoard(f)
					if err == nil {
						err = unix.Munmap(mem)
					}
					return err
				},
			}, false)
			p.put(appendFrame(nil, kHello, 0, 0, []byte("{}")))
			c.send(t, p)
			if err := isProtocol(worker.over(), c.want); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBoardOfWorker: a front takes none.
func TestBoardOfWorker(t *testing.T) {
	descriptors(t)
	leavesNothing(t)
	front, p := against(t, &owner{})
	p.withFile(boardFrame(), memory(t, trace.BoardSize, boardSeals))
	if err := isProtocol(front.over(), "unexpected BOARD 0"); err != nil {
		t.Error(err)
	}
}

// TestTraceAllocates: a piece costs no memory of its own.
func TestTraceAllocates(t *testing.T) {
	leavesNothing(t)
	a, b := sides(t)
	run(t, a, &owner{trace: func(uint32, []byte, int, int) error { return nil }}, true)
	worker := run(t, b, &owner{}, false)
	piece := bytes.Repeat([]byte("x"), 500)
	for range 100 {
		worker.Trace(1, piece, 6, 0)
		worker.send.release()
	}
	if n := testing.AllocsPerRun(1000, func() { worker.Trace(1, piece, 6, 0) }); n > 1 {
		t.Errorf("%v allocations for each", n)
	}
}
