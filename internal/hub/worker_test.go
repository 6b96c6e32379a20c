//go:build linux

package hub

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/isapid/isapid/internal/trace"
)

func ends(id uint64) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		return e.Func == trace.HttpExtensionProc && e.Kind == trace.Leave && e.Request == id
	}
}

// TestCalls: who listens gets each call of a request in a worker, and is told whose it is.
func TestCalls(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	b := start(t, h, "pool", "hello")
	b.get("/before")
	l := listen(t, h, trace.Filter{})
	if hello := l.next(KindHello).Hello; hello.Software != "isapid/test" || len(hello.Missing) > 0 {
		t.Errorf("the stream begins with %+v", hello)
	}
	answer, id := b.get("/x?a=b")
	if !strings.Contains(answer, "hello from GET") {
		t.Fatalf("answered %q", answer)
	}
	got := l.calls(ends(id))
	want := []string{
		"> HttpExtensionProc", "= GetServerVariable", "= GetServerVariable", "= HSE_REQ_SEND_RESPONSE_HEADER_EX", "= WriteClient", "< HttpExtensionProc",
	}
	for n := range want {
		want[n] += " of pool in pool/1, generation 3, for 2 GET shop/app/x?a=b"
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if list := h.Listeners(); len(list) != 1 || list[0].Who != "a test" || list[0].Events != 6 || list[0].Dropped != 0 {
		t.Errorf("listeners: %+v", list)
	}
	l.leave()
	b.get("/after")
	if list := h.Listeners(); len(list) != 0 {
		t.Errorf("listeners: %+v", list)
	}
}

// TestLaterWorker: a worker that starts while somebody listens is listened to from its first load on.
func TestLaterWorker(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	l := listen(t, h, trace.Filter{Pool: "late"})
	other := start(t, h, "other", "hello")
	b := start(t, h, "late", "hello")
	got := l.calls(func(e *trace.Event) bool { return e.Func == trace.GetExtensionVersion && e.Kind != trace.Enter })
	if !strings.Contains(got[len(got)-1], "GetExtensionVersion of late in late/1, generation 3, for 0 ") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	other.get("/")
	_, id := b.get("/")
	for _, line := range l.calls(ends(id)) {
		if strings.Contains(line, "other") {
			t.Errorf("got a call of another pool: %s", line)
		}
	}
}

// TestKilled: a worker that is killed while somebody listens takes nobody with it, and it is known what it did.
func TestKilled(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	b := start(t, h, "pool", "play")
	l := listen(t, h, trace.Filter{})
	file := filepath.Join(t.TempDir(), "never")
	var all sync.WaitGroup
	all.Go(func() { b.get("/?write=x&wait=" + file) })
	l.calls(func(e *trace.Event) bool { return e.Func == trace.WriteClient })
	until(t, "the request has nothing more to say", func() bool {
		board, ok := b.w.Board()
		return ok && len(board.Threads) > 0 && slices.ContainsFunc(board.Threads, func(th trace.Thread) bool {
			return len(th.Open) == 1 && th.Open[0].Func == trace.HttpExtensionProc
		})
	})
	if p, err := os.FindProcess(b.w.Pid()); err != nil || p.Signal(syscall.SIGKILL) != nil {
		t.Fatal("it cannot be killed")
	}
	<-b.w.Gone()
	all.Wait()
	o := b.w.Obituary()
	if len(o.Requests) != 1 || o.Requests[0].Request != 1 || o.Requests[0].Site != "shop" || o.Generation != 3 || len(o.Images) != 1 {
		t.Errorf("the obituary has the requests %+v, images %+v", o.Requests, o.Images)
	}
	if o.Board == nil {
		t.Fatal("the obituary has no board")
	}
	inside := false
	for _, th := range o.Board.Threads {
		for _, c := range th.Open {
			inside = inside || c.Func == trace.HttpExtensionProc
		}
	}
	if !inside {
		t.Errorf("the board does not say what the worker was inside of: %+v", o.Board.Threads)
	}
	next := start(t, h, "pool", "hello")
	_, id := next.get("/")
	l.calls(func(e *trace.Event) bool { return ends(id)(e) && e.Code == 0 })
	l.leave()
	again := listen(t, h, trace.Filter{})
	if missing := again.next(KindHello).Hello.Missing; len(missing) > 0 {
		t.Errorf("missing: %+v", missing)
	}
}

// TestSlow: who reads nothing loses events and is told how many, and requests go on.
func TestSlow(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	b := start(t, h, "pool", "play")
	st, err := h.Attach(t.Context(), "a test", trace.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	ctx, cancel := context.WithCancel(t.Context())
	gate := make(chan struct{})
	var told, seen uint64
	done := make(chan error, 1)
	go func() {
		done <- st.Run(ctx, func(p []byte) error {
			<-gate
			each(t, p, func(rec *Record) {
				told += rec.Dropped
				n, err := trace.Scan(rec.Events, func(uint64, uint64) {})
				if seen += uint64(n); err != nil {
					t.Error(err)
				}
			})
			return nil
		})
	}()
	for h.Dropped() < 10_000 {
		answer, id := b.get("/?bytes=" + strings.Repeat("x", 5000))
		if len(answer) != 5000 {
			t.Errorf("answered %d bytes, want 5000", len(answer))
		}
		if id > 100 {
			t.Error("nothing is dropped")
			break
		}
	}
	close(gate)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	each(t, st.next(false), func(rec *Record) {
		told += rec.Dropped
		n, _ := trace.Scan(rec.Events, func(uint64, uint64) {})
		seen += uint64(n)
	})
	now := h.Listeners()[0]
	if told != now.Dropped || told != h.Dropped() || seen != now.Events || seen == 0 {
		t.Errorf("told of %d events and %d dropped, want %d and %d", seen, told, now.Events, now.Dropped)
	}
}

// each reads whole records.
func each(t *testing.T, p []byte, do func(*Record)) {
	t.Helper()
	r := NewReader(strings.NewReader(string(p)))
	for {
		rec, err := r.Next()
		if err != nil {
			if err.Error() != "EOF" {
				t.Error(err)
			}
			return
		}
		do(&rec)
	}
}

// TestComeAndGo: a thousand come and go while requests run; nothing is lost, and nothing is left.
func TestComeAndGo(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	b := start(t, h, "pool", "hello")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if answer, _ := b.get("/"); !strings.Contains(answer, "hello from GET") {
					t.Errorf("answered %q", answer)
					return
				}
			}
		})
	}
	for range 1000 {
		st, err := h.Attach(t.Context(), "a test", trace.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		st.Close()
	}
	close(stop)
	all.Wait()
	if list := h.Listeners(); len(list) > 0 {
		t.Errorf("listeners: %+v", list)
	}
	l := listen(t, h, trace.Filter{})
	_, id := b.get("/")
	if got := l.calls(ends(id)); len(got) != 6 {
		t.Errorf("afterwards a request has %d events: %q", len(got), got)
	}
}
