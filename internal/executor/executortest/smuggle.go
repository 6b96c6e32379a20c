package executortest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	hosting "github.com/isapid/isapid/internal/server"
)

// testSmuggling: whatever an extension leaves of a body, and whoever wrapped it, no byte of it becomes a request.
func testSmuggling(t *testing.T, s *suite) {
	for _, tt := range []struct {
		name, fixture, query string
		o                    executor.Options
		prepare              func(*smuggling)
	}{
		{name: "not read", fixture: "body", query: "never"},
		{name: "begun before", fixture: "body", query: "first-no"},
		{name: "no read-ahead", fixture: "body", query: "never", o: executor.Options{ReadAhead: -1}},
		{name: "crash", fixture: "crash", query: "segv"},
		{name: "pending", fixture: "havoc", query: "late"},
		{
			name: "refused", fixture: "crash", query: "ok", o: executor.Options{OnFault: executor.FaultRefuse},
			prepare: func(m *smuggling) { m.get("segv") },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := s.smuggling(t, tt.fixture, tt.o)
			if tt.prepare != nil {
				tt.prepare(m)
			}
			for _, b := range smuggled(ahead+1, ahead+5000, ahead+256<<10-1, ahead+256<<10, ahead+256<<10+1, 400_000, 1<<20) {
				m.send(tt.query, b)
			}
		})
	}
	t.Run("no thread", func(t *testing.T) {
		m := s.smuggling(t, "threads", executor.Options{Threads: 1, Queue: 1})
		g := newGate(t)
		var held sync.WaitGroup
		held.Go(func() { m.get(g.query()) })
		g.entered(1)
		// One waits for the thread; all others are refused.
		waits := make(chan int, 2)
		for range 2 {
			held.Go(func() { waits <- m.get(g.query()).StatusCode })
		}
		if status := <-waits; status != http.StatusServiceUnavailable {
			t.Errorf("the second of two that wait: status %d, want 503", status)
		}
		for _, b := range smuggled(ahead+5000, 400_000) {
			m.send("id", b)
		}
		g.open()
		held.Wait()
	})
}

// Smuggle is for what only one executor can do: it has a POST with query run by fixture, behind each kind of body that holds
// requests, each time with an executor of its own, and fails the test when one of those is taken for a request.
func Smuggle(t *testing.T, open Open, fixture, query string, o executor.Options) {
	s := &suite{open: open}
	for _, b := range smuggled(60_000, 400_000) {
		t.Run(b.name, func(t *testing.T) { s.smuggling(t, fixture, o).send(query, b) })
	}
}

// smuggling is a server that knows which paths it was asked for.
type smuggling struct {
	*server

	mu    sync.Mutex
	paths []string
}

func (s *suite) smuggling(t *testing.T, fixture string, o executor.Options) *smuggling {
	t.Helper()
	m := &smuggling{}
	m.server = s.serveBehind(t, s.fixture(t, fixture), o, hosting.Binding{}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			m.mu.Lock()
			m.paths = append(m.paths, r.URL.Path)
			m.mu.Unlock()
			switch limited := http.MaxBytesReader(w, r.Body, 1<<40); r.Header.Get("X-Limit") {
			case "copy": // as package site does
				inner := *r
				inner.Body = limited
				r = &inner
			case "own": // as middleware of others does
				r.Body = limited
			}
			next.ServeHTTP(w, r)
		})
	})
	return m
}

// smuggledBody is a body as it is sent, with what its head says of it.
type smuggledBody struct {
	name, fields, body string
	broken             bool // the end of the body cannot be found
}

const ahead = 48 << 10 // of an executor

// smuggled are bodies of these sizes that are requests from the read-ahead on, or from their first byte.
func smuggled(sizes ...int) (all []smuggledBody) {
	const request = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, size := range sizes {
		evil := strings.Repeat(request, size/len(request)+1)
		whole := (strings.Repeat("x", ahead) + evil)[:size]
		length, chunked := fmt.Sprintf("Content-Length: %d\r\n", size), "Transfer-Encoding: chunked\r\n"
		all = append(all,
			smuggledBody{fmt.Sprint("length ", size), length, whole, false},
			smuggledBody{fmt.Sprint("length from the start ", size), length, evil[:size], false},
			smuggledBody{fmt.Sprint("expected ", size), length + "Expect: 100-continue\r\n", whole, false},
			smuggledBody{fmt.Sprint("one chunk ", size), chunked, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", size, whole), false},
			smuggledBody{fmt.Sprint("two chunks ", size), chunked, fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", ahead, whole[:ahead], size-ahead, whole[ahead:]), false},
			smuggledBody{fmt.Sprint("broken chunks ", size), chunked, fmt.Sprintf("%x\r\n%s\r\nno\r\n%s", ahead+1, whole[:ahead+1], evil), true},
		)
	}
	return all
}

// send sends a POST with the body, and one more request behind it, in each way a body may be wrapped.
func (m *smuggling) send(query string, b smuggledBody) {
	m.t.Helper()
	for _, limit := range []string{"none", "copy", "own"} {
		m.mu.Lock()
		m.paths = nil
		m.mu.Unlock()
		c := m.dial()
		written := make(chan struct{})
		go func() {
			defer close(written)
			_, _ = fmt.Fprintf(c, "POST /post?%s HTTP/1.1\r\nHost: h\r\nX-Limit: %s\r\n%s\r\n%s"+
				"GET /next?ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", query, limit, b.fields, b.body)
		}()
		got, _ := io.ReadAll(c)
		c.Close()
		<-written
		m.mu.Lock()
		paths := slices.Clone(m.paths)
		m.mu.Unlock()
		answers := strings.Count(string(got), "HTTP/1.1 ") - strings.Count(string(got), "HTTP/1.1 100")
		fine := slices.Equal(paths, []string{"/post"}) || !b.broken && slices.Equal(paths, []string{"/post", "/next"})
		if !fine || answers > len(paths) {
			m.t.Errorf("%s, limit on %s: %d answers to %.5q: %.300q", b.name, limit, answers, paths, got)
		}
	}
	if m.log.Has("panic") {
		m.t.Error("net/http panicked")
	}
}
