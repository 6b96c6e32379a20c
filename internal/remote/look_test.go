//go:build linux

package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testwait"
)

// lookedAt is a worker with an image, of which is kept what is told.
type lookedAt struct {
	t *testing.T
	w *remote.Worker
	i *remote.Image
	heard
	log   *bytes.Buffer // guarded by heard.mu
	level slog.LevelVar
	last  uint64 // ID of a request
}

func (l *lookedAt) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func lookAt(t *testing.T, fixture string, o executor.Options) *lookedAt {
	t.Helper()
	l := &lookedAt{t: t, log: &bytes.Buffer{}}
	o.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: &l.level}))
	s := remote.Settings{Name: "test/1", Log: o.Logger}
	l.look(&s)
	var err error
	if l.w, err = remote.Start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.w.Kill("the test is over")
		<-l.w.Gone()
	})
	if l.i, err = l.w.Load(t.Context(), testext.Fixture(t, fixture), o); err != nil {
		t.Fatal(err)
	}
	return l
}

// get runs a request with an ID, which it gives, and the status of the answer.
func (l *lookedAt) get(target string) (id uint64, res executor.Result) {
	l.last++
	tr := &executor.Trail{}
	tr.Reset(l.last, time.Now())
	res, _ = l.i.Execute(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil), &executor.Target{
		Host: pages{}, Trail: tr, App: &executor.App{SiteName: "shop", Path: "/app"},
	})
	return l.last, res
}

// of is what l has heard.
func of[T any](l *lookedAt, get func() T) T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return get()
}

// TestFaultOfRequest: a contained fault is told in parts, at once, with the request it was in.
func TestFaultOfRequest(t *testing.T) {
	l := lookAt(t, "crash", executor.Options{})
	l.get("/fine")
	id, res := l.get("/?segv")
	if res.Fault == nil {
		t.Fatalf("%+v", res)
	}
	faults := of(l, func() []*executor.FaultInfo { return l.faults })
	if len(faults) != 1 {
		t.Fatalf("%d faults", len(faults))
	}
	f := faults[0]
	if f.Signal != "SIGSEGV" || f.Text != res.Fault.Error() || f.Request != id || len(f.Stack) == 0 || !strings.HasSuffix(f.Stack[0].Image, "crash.so") {
		t.Errorf("%+v", f)
	}
	l.w.Kill("enough")
	<-l.w.Gone()
	if o := l.w.Obituary(); o.Fault == nil || o.Fault.Request != id || !strings.Contains(o.Logged, ` level=ERROR msg="fault contained; the image is suspect from now on" worker=`) || !strings.Contains(o.Logged, " image=crash.so ") {
		t.Errorf("the obituary has the fault %+v, and of the log %q", o.Fault, o.Logged)
	}
}

// TestFindingOfImage: misuse is told with image, call, request and stack, the first one at once, and how often it came.
func TestFindingOfImage(t *testing.T) {
	l := lookAt(t, "misuse_calls", executor.Options{Checks: executor.ChecksOn})
	id, _ := l.get("/?size-null")
	testwait.Until(t, "it is told", func() bool { return of(l, func() bool { return len(l.finds) > 0 }) })
	f := of(l, func() executor.Finding { return l.finds[0] })
	if f.Kind == "" || f.Image != l.i.Path() || f.Request != id || f.Call == "" {
		t.Errorf("%+v", f)
	}
	for range 20 {
		l.get("/?size-null")
	}
	testwait.Until(t, "all are told", func() bool {
		return of(l, func() bool {
			n := 0
			for i, one := range l.finds {
				if one.Kind == f.Kind {
					n += l.times[i]
				}
			}
			return n == 21
		})
	})
	if n := of(l, func() int { return len(l.finds) }); n > 10 {
		t.Errorf("they are told one by one, in %d notes", n)
	}
}

// TestCounterOfImage: what an image counts is told together, once a second at most, and all of it when it is unloaded.
func TestCounterOfImage(t *testing.T) {
	l := lookAt(t, "counter", executor.Options{})
	for range 50 {
		l.get("/?name=jobs_total&delta=2&label=kind&value=big")
	}
	l.get("/?name=others")
	if err := l.i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	counts := of(l, func() []string { return l.counts })
	slices.Sort(counts)
	var jobs float64
	for _, line := range counts[:len(counts)-1] {
		var delta float64
		if _, err := fmt.Sscanf(line, l.i.Path()+` jobs_total["kind" "big"] %g`, &delta); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		jobs += delta
	}
	if jobs != 100 || counts[len(counts)-1] != l.i.Path()+" others[] 1" || len(counts) > 20 {
		t.Errorf("got %q", counts)
	}
}

// TestRelevel: when the level of a log changes, the worker knows.
func TestRelevel(t *testing.T) {
	l := lookAt(t, "hello", executor.Options{})
	l.level.Set(slog.LevelError)
	l.w.Relevel()
	l.w.Relevel()
	if err := l.i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.level.Set(slog.LevelInfo)
	l.w.Relevel()
	i, err := l.w.Load(t.Context(), testext.Fixture(t, "hello"), executor.Options{Logger: slog.New(slog.NewTextHandler(l, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := of(l, l.log.String)
	if n := strings.Count(log, "extension unloaded"); n != 1 {
		t.Errorf("%d lines of two that were unloaded, want that of the second:\n%s", n, log)
	}
}

// TestInside: who is in a worker, and what it uses.
func TestInside(t *testing.T) {
	l := lookAt(t, "play", executor.Options{Generation: 4})
	file := t.TempDir() + "/go"
	var all sync.WaitGroup
	all.Go(func() { l.get("/?wait=" + file) })
	testwait.Until(t, "it is inside", func() bool { return len(l.w.Requests()) == 1 })
	in := l.w.Requests()[0]
	if in.Request != 1 || in.Image != l.i.Path() || in.Site != "shop" || in.App != "/app" || in.Method != "GET" || !strings.HasPrefix(in.URL, "/?wait=") {
		t.Errorf("%+v", in)
	}
	if again, ok := l.w.Request(1); !ok || again != in {
		t.Errorf("%+v, %v", again, ok)
	}
	if _, ok := l.w.Request(2); ok {
		t.Error("there is a request that is not there")
	}
	if i, ok := l.w.Image(1); !ok || i.Path != l.i.Path() || i.Generation != 4 || i.Number != 1 {
		t.Errorf("%+v, %v", i, ok)
	}
	if user, system, err := l.w.CPU(); err != nil || user < 0 || system < 0 {
		t.Errorf("CPU %v, %v, %v", user, system, err)
	}
	if n, err := l.w.Threads(); err != nil || n < 2 {
		t.Errorf("%d threads, %v", n, err)
	}
	if err := unix.Kill(l.w.Pid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if _, res := l.get("/?write=x"); res.Status != 200 {
		t.Errorf("after SIGUSR1: %+v", res)
	}
	if n := len(l.w.Requests()); n != 0 {
		t.Errorf("%d are inside", n)
	}
	if _, ok := l.w.Request(1); ok {
		t.Error("it is inside when it has ended")
	}
}

// TestStartedAndEnded: a worker is announced before it loads anything, and its end after it.
func TestStartedAndEnded(t *testing.T) {
	var mu sync.Mutex
	var told []string
	tell := func(what string) func(*remote.Worker) {
		return func(w *remote.Worker) {
			mu.Lock()
			defer mu.Unlock()
			if told = append(told, what); what == "ended" {
				if _, ok := w.Board(); !ok || w.Obituary() == nil {
					told = append(told, "without board")
				}
			}
		}
	}
	w, err := remote.Start(t.Context(), remote.Settings{Name: "test/1", Log: slog.New(slog.DiscardHandler), Started: tell("started"), Ended: tell("ended")})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Join(told, " ") != "started ended" {
		t.Errorf("told %q", told)
	}
}
