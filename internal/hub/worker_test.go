//go:build linux

package hub

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/testwait"
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
	before := b.pieces.Load()
	for range 10 {
		b.get("/after")
	}
	if list := h.Listeners(); len(list) != 0 {
		t.Errorf("listeners: %+v", list)
	}
	if after := b.pieces.Load(); before == 0 || after != before {
		t.Errorf("the worker sent %d pieces, and %d when nobody listened", before, after-before)
	}
}

// TestFilter: what a filter lets through is decided in the worker: the rest is not sent.
func TestFilter(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	b := start(t, h, "pool", "hello")
	l := listen(t, h, trace.Filter{URL: "/this/*", Calls: []string{"WriteClient"}, Client: "192.0.2.0/24", App: "/app"})
	none := listen(t, h, trace.Filter{Client: "10.0.0.0/8"})
	for range 10 {
		b.get("/that/x")
	}
	_, id := b.get("/this/x")
	got := l.calls(func(e *trace.Event) bool { return true })
	if len(got) != 1 || !strings.HasPrefix(got[0], "= WriteClient of pool") || !strings.Contains(got[0], "GET shop/app/this/x") || id != 11 {
		t.Errorf("got %q", got)
	}
	if n := b.pieces.Load(); n != 1 {
		t.Errorf("the worker sent %d pieces, want 1", n)
	}
	if list := h.Listeners(); list[0].Events != 1 || list[1].Events != 0 {
		t.Errorf("%+v", list)
	}
	none.leave()
}

// standing waits until all threads of a process stand: SIGSTOP only asks.
func standing(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		running := 0
		for _, name := range stats {
			b, err := os.ReadFile(name)
			if _, rest, _ := strings.Cut(string(b), ") "); err == nil && !strings.HasPrefix(rest, "T") {
				running++
			}
		}
		if running == 0 && len(stats) > 0 {
			return
		}
	}
	t.Fatal("the process does not stand still")
}

// TestStopped: a worker that does not answer is named, and is listened to when it goes on. One that is given up is not missed.
func TestStopped(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	b := start(t, h, "pool", "hello")
	signal := func(s syscall.Signal) {
		if err := syscall.Kill(b.w.Pid(), s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	standing(t, b.w.Pid())
	l := listen(t, h, trace.Filter{})
	missing := l.next(KindHello).Hello.Missing
	if len(missing) != 1 || missing[0].Worker != "pool/1" || missing[0].Pid != b.w.Pid() || missing[0].Why != "it did not answer within 2s" {
		t.Errorf("missing: %+v", missing)
	}
	signal(syscall.SIGCONT)
	_, id := b.get("/")
	if got := l.calls(ends(id)); len(got) != 6 {
		t.Errorf("got %q", got)
	}
	b.w.Disown("a test")
	again := listen(t, h, trace.Filter{})
	if missing := again.next(KindHello).Hello.Missing; len(missing) > 0 {
		t.Errorf("missing: %+v", missing)
	}
}

// TestKilledUnderLoad: workers are killed and started while requests run and somebody listens.
func TestKilledUnderLoad(t *testing.T) {
	leavesNothing(t)
	h := New("isapid/test")
	l := listen(t, h, trace.Filter{})
	events := make(chan int, 1)
	go func() {
		n := 0
		for {
			rec, err := l.r.Next()
			if err != nil {
				events <- n
				return
			}
			more, err := trace.Scan(rec.Events, func(uint64, uint64) {})
			if n += more; err != nil {
				t.Error(err)
			}
		}
	}()
	for range 8 {
		b := start(t, h, "pool", "hello")
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for answer := "-"; answer != ""; {
					answer, _ = b.get("/")
				}
			})
		}
		testwait.Until(t, "requests are running", func() bool { return b.id.Load() > 200 })
		b.w.Kill("a test")
		<-b.w.Gone()
		all.Wait()
	}
	now := h.Listeners()[0]
	testwait.Until(t, "all is written", func() bool { l.stream.mu.Lock(); defer l.stream.mu.Unlock(); return len(l.stream.buf) == 0 })
	l.leave()
	if n := <-events; now.Events < 8*200*5 || uint64(n) > now.Events || uint64(n)+now.Dropped < now.Events*9/10 {
		t.Errorf("%d events arrived, %d were given, %d dropped", n, now.Events, now.Dropped)
	}
	if len(h.sources) != 0 {
		t.Errorf("%d sources are left", len(h.sources))
	}
}

// BenchmarkRequest is what requests to a worker cost both processes while nobody listens, somebody to others, and somebody to all.
func BenchmarkRequest(b *testing.B) {
	for _, c := range []struct {
		name string
		f    *trace.Filter
	}{{"nobody", nil}, {"others", &trace.Filter{URL: "/others/*"}}, {"all", &trace.Filter{}}} {
		b.Run(c.name, func(b *testing.B) {
			h := New("isapid/test")
			w := start(b, h, "pool", "hello")
			if c.f != nil {
				st, err := h.Attach(b.Context(), "", *c.f)
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = st.Run(ctx, func([]byte) error { return nil })
				}()
				defer st.Close()
				defer func() { cancel(); <-done }()
			}
			b.ReportAllocs()
			begun := used(w)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					w.get("/")
				}
			})
			b.ReportMetric(float64((used(w)-begun).Nanoseconds())/float64(b.N), "CPU-ns/op")
		})
	}
}

// used is the CPU time of this process and of a worker.
func used(b *bench) time.Duration {
	var own syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &own)
	user, system, _ := b.w.CPU()
	return user + system + time.Duration(own.Utime.Nano()+own.Stime.Nano())
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
	testwait.Until(t, "the request has nothing more to say", func() bool {
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
