package executortest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testwait"
)

// testThreads: how many are inside, on which thread, with how much stack, and what happens to those who must wait.
func testThreads(t *testing.T, s *suite) {
	t.Run("bounded", func(t *testing.T) { testThreadsBounded(t, s) })
	t.Run("one", func(t *testing.T) { testThreadsOne(t, s) })
	t.Run("stack", func(t *testing.T) { testThreadsStack(t, s) })
	t.Run("queue", func(t *testing.T) { testThreadsQueue(t, s) })
	t.Run("close", func(t *testing.T) { testThreadsClose(t, s) })
	t.Run("terminate", func(t *testing.T) { testTerminateSleeps(t, s) })
}

// gate holds requests inside the fixture threads until it is opened.
type gate struct {
	t    *testing.T
	file string
}

func newGate(t *testing.T) *gate {
	g := &gate{t, filepath.Join(t.TempDir(), "gate")}
	t.Cleanup(g.open) // lest a failed test leaves them inside
	return g
}

func (g *gate) query() string { return "hold=" + url.QueryEscape(g.file) }

// entered waits until n requests have been inside.
func (g *gate) entered(n int) {
	g.t.Helper()
	testwait.Until(g.t, fmt.Sprintf("%d requests inside", n), func() bool {
		_, err := os.Stat(fmt.Sprintf("%s-%d", g.file, n))
		return err == nil
	})
}

func (g *gate) open() {
	if err := os.WriteFile(g.file, nil, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
		g.t.Error(err)
	}
}

func testThreadsBounded(t *testing.T, s *suite) {
	for _, o := range []executor.Options{{Threads: 3}, {Threads: 3, Stack: 1 << 20}, {Threads: 1}} {
		srv, g := s.serve(t, "threads", o), newGate(t)
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if res := srv.get(g.query()); res.StatusCode != 200 {
					t.Errorf("%s, want 200", res.Status)
				}
			})
		}
		g.entered(o.Threads)
		g.open()
		wg.Wait()
		if res := srv.get(g.query()); res.Body != fmt.Sprint(o.Threads) {
			t.Errorf("threads %d, stack %d: at most %s requests were inside", o.Threads, o.Stack, res.Body)
		}
	}
}

// With one thread, all code of the extension runs on the same: loading, requests, completions.
func testThreadsOne(t *testing.T, s *suite) {
	srv := s.serve(t, "threads", executor.Options{Threads: 1})
	want := srv.get("load").Body
	for i := range 10 {
		if res := srv.get("id"); res.Body != want {
			t.Errorf("request %d ran on thread %s, GetExtensionVersion on %s", i, res.Body, want)
		}
	}
	for i := range 3 {
		srv.get("completion")
		if got := srv.result(11 + i).LogData; got != want {
			t.Errorf("completion ran on thread %s, GetExtensionVersion on %s", got, want)
		}
	}
}

func testThreadsStack(t *testing.T, s *suite) {
	for _, c := range []struct{ stack, kib, status int }{
		{60 << 20, 56 << 10, 200},
		{60 << 20, 100 << 10, 500},
		{256 << 10, 100, 200},
		{256 << 10, 1000, 500},
		{0, 200, 200},
	} {
		for _, threads := range []int{1, 4} {
			srv := s.serve(t, "threads", executor.Options{Threads: threads, Stack: c.stack})
			for range 3 {
				if res := srv.get(fmt.Sprintf("deep=%d", c.kib)); res.StatusCode != c.status {
					t.Errorf("%d KiB deep with a stack of %d bytes: %s, want %d", c.kib, c.stack, res.Status, c.status)
				}
			}
		}
	}
}

// Those who find the queue full, or wait for too long, get 503 and are told to come again.
func testThreadsQueue(t *testing.T, s *suite) {
	for _, o := range []executor.Options{
		{Threads: 1, Queue: 1}, {Threads: 2, Queue: 1},
		{Threads: 2, Queue: 1, Stack: 1 << 20},
		{Threads: 1, QueueWait: time.Millisecond}, {Threads: 2, QueueWait: time.Millisecond},
	} {
		srv, g := s.serve(t, "threads", o), newGate(t)
		var wg sync.WaitGroup
		hold := func() {
			wg.Go(func() {
				if res := srv.get(g.query()); res.StatusCode != 200 {
					t.Errorf("%+v: held request got %s, want 200", o, res.Status)
				}
			})
		}
		for range o.Threads {
			hold()
		}
		g.entered(o.Threads)
		var refused response
		if o.Queue == 1 { // which of them waits is not known: of two more, one is refused
			answers := make(chan response, 2)
			for range 2 {
				wg.Go(func() { answers <- srv.get(g.query()) })
			}
			refused = <-answers
		} else {
			refused = srv.get(g.query())
		}
		if refused.StatusCode != 503 || refused.Header.Get("Retry-After") == "" {
			t.Errorf("%+v: %s, Retry-After %q; want 503 and a time", o, refused.Status, refused.Header.Get("Retry-After"))
		}
		g.open()
		wg.Wait()
	}
}

// Close while a request is inside says so when its context ends, and waits on when it is called again.
func testThreadsClose(t *testing.T, s *suite) {
	for _, threads := range []int{25, 1} {
		srv, g := s.serve(t, "threads", executor.Options{Threads: threads}), newGate(t)
		other := s.serve(t, "hello", executor.Options{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if res := srv.get(g.query()); res.StatusCode != 200 {
				t.Errorf("the request that was inside got %s, want 200", res.Status)
			}
		})
		g.entered(1)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := srv.ex.Close(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 requests are still inside") {
			t.Errorf("close with a request inside: %v", err)
		}
		if res := srv.get("id"); res.StatusCode != 503 {
			t.Errorf("request after Close began: %s, want 503", res.Status)
		}
		if res := other.get(""); res.StatusCode != 200 {
			t.Errorf("another extension meanwhile: %s, want 200", res.Status)
		}
		g.open()
		wg.Wait()
		if err := srv.close(); err != nil {
			t.Errorf("second close: %v", err)
		}
		if err := srv.ex.Close(t.Context()); !errors.Is(err, executor.ErrClosed) {
			t.Errorf("third close: %v, want %v", err, executor.ErrClosed)
		}
	}
}

// A TerminateExtension that takes its time does not hold Close beyond its context.
func testTerminateSleeps(t *testing.T, s *suite) {
	ex, err := s.open(s.faulty(t, "terminate-pause"), executor.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := ex.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("close says %v, want it to say that it was cancelled", err)
	}
	if err := ex.Close(t.Context()); err != nil {
		t.Errorf("close after it: %v", err)
	}
}
