package front

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/metrics"
)

// onConnection is a request over HTTP/1.1.
func onConnection(t testing.TB) *http.Request {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	r := httptest.NewRequest("GET", "/a?b", nil)
	return r.WithContext(conn.NewContext(context.Background(), conn.Wrap(a)))
}

// watching counts what it is told.
type watching struct {
	mu           sync.Mutex // guards all
	begun, ended int
	last         *Seen
	status       int
}

func (w *watching) Begin(s *Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun++
	w.last = s
}

func (w *watching) End(s *Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended++
	w.status = s.Status
}

// What is kept of a request serves the next one on its connection, but not when somebody may have it still.
func TestWatchUsesAgain(t *testing.T) {
	var watch watch
	watch.begin()
	var w watching
	remove := watch.add(&w)
	r := onConnection(t)
	run := func(complete bool, result *executor.Result) *Seen {
		_, _, seen := watch.Begin(httptest.NewRecorder(), r)
		s := seen.(*Seen)
		if s.Record.Result != nil || s.Record.Status != 0 || s.Trail.ID == 0 || s.Request != r {
			t.Errorf("at its begin: %+v", s)
		}
		s.Record.Result = result
		watch.End(s, complete)
		return s
	}
	first := run(true, &executor.Result{Status: 200})
	id := first.Trail.ID
	if second := run(true, nil); second != first || second.Trail.ID == id || w.status != 200 {
		t.Errorf("the second: %p with ID %d and status %d, the first %p with %d", second, second.Trail.ID, w.status, first, id)
	}
	for _, c := range []struct {
		name     string
		complete bool
		result   *executor.Result
	}{
		{"broken off", false, nil},
		{"lost", true, &executor.Result{Status: 502}},
		{"hangs", true, &executor.Result{Status: 504}},
		{"fault after an answer", true, &executor.Result{Status: 200, Fault: net.ErrClosed}},
	} {
		if before := run(c.complete, c.result); run(true, nil) == before {
			t.Errorf("%s: it is used again", c.name)
		}
	}
	if ended, running, broken := watch.count(); ended != 10 || running != 0 || broken != 1 {
		t.Errorf("counted %d, %d running, %d broken", ended, running, broken)
	}
	remove()
	run(true, nil)
	if w.begun != 10 || w.ended != 10 {
		t.Errorf("told of %d begins and %d ends, want 10", w.begun, w.ended)
	}
}

// Many requests at a time, who look at each other.
func TestWatchTogether(t *testing.T) {
	var watch watch
	watch.begin()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r := onConnection(t)
			for range 500 {
				_, _, seen := watch.Begin(httptest.NewRecorder(), r)
				s := seen.(*Seen)
				found := 0
				watch.each(func(other *Seen) {
					if other == s {
						found++
					}
				})
				if !watch.find(s.Trail.ID, func(*Seen) { found++ }) || found != 2 {
					t.Errorf("found %d times, want 2", found)
				}
				watch.End(s, true)
				if watch.find(s.Trail.ID, func(*Seen) {}) {
					t.Error("found after its end")
				}
			}
		})
	}
	all.Wait()
	if ended, running, broken := watch.count(); ended != 4000 || running != 0 || broken != 0 {
		t.Errorf("counted %d, %d running, %d broken", ended, running, broken)
	}
}

// What it costs to watch a request.
func BenchmarkWatch(b *testing.B) {
	place := &executor.Place{Pool: "default", Image: "/srv/a.so", Generation: 1}
	for _, way := range []string{"alone", "metrics", "shared"} {
		b.Run("how="+way, func(b *testing.B) {
			b.ReportAllocs()
			var watch watch
			watch.begin()
			var trace tracing
			watch.add(&trace)
			if way != "alone" {
				watch.add(counting{metrics.New(nil)})
			}
			r := onConnection(b)
			if way == "shared" {
				r = httptest.NewRequest("GET", "/a?b", nil)
			}
			w := httptest.NewRecorder()
			result := executor.Result{Status: 200}
			for b.Loop() {
				_, _, seen := watch.Begin(w, r)
				s := seen.(*Seen)
				s.Record.Site, s.Record.Application, s.Record.Result = "test", "/", &result
				s.Trail.In(place)
				watch.End(s, true)
			}
		})
	}
}
