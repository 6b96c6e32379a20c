//go:build linux

package hub

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/worker"
)

// TestMain makes this program a worker when a test starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main())
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // or the race detector has each worker wait for a second at its end
	os.Exit(m.Run())
}

// leavesNothing fails the test when a goroutine or a descriptor of its own outlives it. It is to be called first.
func leavesNothing(t testing.TB) {
	t.Helper()
	if r, w, err := os.Pipe(); err == nil { // the runtime keeps descriptors of its own from the first one on
		r.Close()
		w.Close()
	}
	descriptors := func() int {
		list, _ := os.ReadDir("/proc/self/fd")
		return len(list)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	t.Cleanup(func() {
		for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines || descriptors() > files; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d descriptors, there were %d; %d goroutines, there were %d:\n%s", descriptors(), files, runtime.NumGoroutine(), goroutines,
					stacks[:runtime.Stack(stacks, true)])
				return
			}
		}
	})
}

// bench is a worker that a hub watches, with an image.
type bench struct {
	t  testing.TB
	w  *remote.Worker
	i  *remote.Image
	id atomic.Uint64 // of the last request

	pieces atomic.Int64 // that the worker has sent
}

// start starts a worker for a fixture, in a pool.
func start(t testing.TB, h *Hub, pool, fixture string) *bench {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b := &bench{t: t}
	s := remote.Settings{Name: pool + "/1", Log: log}
	s.Traced = func(*remote.Worker, uint32, []byte, int, int) { b.pieces.Add(1) }
	h.Watch(&s, pool)
	w, err := remote.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Kill("the test is over")
		<-w.Gone()
	})
	i, err := w.Load(t.Context(), testext.Fixture(t, fixture), executor.Options{Logger: log, Generation: 3})
	if err != nil {
		t.Fatal(err)
	}
	b.w, b.i = w, i
	return b
}

// get runs one request; the answer is "" if the worker died.
func (b *bench) get(target string) (answer string, id uint64) {
	id = b.id.Add(1)
	tr := &executor.Trail{}
	tr.Reset(id, time.Now())
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.RemoteAddr = "192.0.2.7:4711"
	_, err := b.i.Execute(rec, r, &executor.Target{ScriptName: "/x", Trail: tr, App: &executor.App{SiteName: "shop", Path: "/app"}})
	if err != nil {
		return "", id
	}
	return rec.Body.String(), id
}

// listener reads a stream as the commands do, from the other end of a pipe.
type listener struct {
	t      testing.TB
	stream *Stream
	r      *Reader
	pipe   *io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
}

func listen(t testing.TB, h *Hub, f trace.Filter) *listener {
	t.Helper()
	st, err := h.Attach(t.Context(), "a test", f)
	if err != nil {
		t.Fatal(err)
	}
	pr, pw := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	l := &listener{t, st, NewReader(pr), pr, cancel, make(chan struct{})}
	go func() {
		defer close(l.done)
		_ = st.Run(ctx, func(p []byte) error { _, err := pw.Write(p); return err })
		pw.Close()
	}()
	t.Cleanup(l.leave)
	return l
}

// leave ends it. It may be called again.
func (l *listener) leave() {
	l.cancel()
	l.pipe.Close()
	<-l.done
	l.stream.Close()
}

// next is the next record of a kind; those of others are passed over.
func (l *listener) next(k Kind) Record {
	l.t.Helper()
	for {
		rec, err := l.r.Next()
		if err != nil {
			l.t.Fatalf("waiting for a record of kind %d: %v", k, err)
		}
		if rec.Kind == k {
			return rec
		}
	}
}

// calls are the events up to the one for which last holds, a line each.
func (l *listener) calls(last func(*trace.Event) bool) (list []string) {
	l.t.Helper()
	for over := false; !over; {
		rec := l.next(KindBatch)
		err := trace.Decode(rec.Events, func(e *trace.Event) error {
			p, _ := l.r.Process(rec.Source)
			i, _ := l.r.Image(rec.Source, e.Image)
			a, _ := l.r.About(rec.Source, e.Request)
			kind := [...]string{"", ">", "<", "=", "!"}[e.Kind]
			list = append(list, fmt.Sprintf("%s %s of %s in %s, generation %d, for %d %s %s%s%s", kind, trace.Name(e.Func, e.Code), p.Pool, p.Worker,
				i.Generation, e.Request, a.Method, a.Site, a.App, a.URL))
			over = over || last(e)
			return nil
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return list
}
