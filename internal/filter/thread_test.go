//go:build linux && cgo

package filter_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/filter"
)

// oneThread runs functions on one OS thread.
type oneThread struct {
	work chan func()
	id   int
	runs atomic.Int64
}

func newOneThread(t *testing.T) *oneThread {
	o := &oneThread{work: make(chan func())}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		o.id = syscall.Gettid()
		close(ready)
		for f := range o.work {
			f()
		}
	}()
	<-ready
	t.Cleanup(func() { close(o.work); <-ended })
	return o
}

func (o *oneThread) do(f func()) {
	o.runs.Add(1)
	if syscall.Gettid() == o.id {
		f()
		return
	}
	done := make(chan struct{})
	o.work <- func() { defer close(done); f() }
	<-done
}

// TestOwnThread: every line of a filter runs on the thread of its image, also in a notification inside another.
func TestOwnThread(t *testing.T) {
	o := newOneThread(t)
	s := start(t)
	f := s.load(traceFilter(t), func(c *filter.Config) { c.On = o.do })
	s.chain = []filter.Member{{Filter: f}}
	if a := s.do("GET", "/file/page.txt", "X-Do: SEND_RESPONSE=page:x"); a.String() != "200 x" {
		t.Errorf("answer is %q", a)
	}
	s.stop()
	s.lastEvents("END_OF_NET_SESSION")
	if n := o.runs.Load(); n < 9 {
		t.Errorf("%d calls on the thread", n)
	}
}

// TestSameThread: what a filter leaves in the memory of a thread is there for the extension half of the image.
func TestSameThread(t *testing.T) {
	s := start(t)
	f := s.load(traceFilter(t), func(c *filter.Config) { c.SameThread = true })
	s.chain = []filter.Member{{Filter: f}}
	h := &threads{host: s.host}
	for range 100 {
		h.preproc = 0
		filter.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/nowhere", nil), nil, s.chain, h, &client{}, nil)
		if h.preproc != h.answer {
			t.Fatalf("route on thread %d, answer on %d", h.preproc, h.answer)
		}
	}
}

// threads is a host that knows on which thread it is asked. It yields, so that another would have its chance.
type threads struct {
	*host
	preproc, answer int
}

func (h *threads) Route(r *http.Request) *executor.Route {
	if h.preproc == 0 {
		h.preproc = syscall.Gettid()
	}
	runtime.Gosched()
	return h.host.Route(r)
}

func (h *threads) Answer(w http.ResponseWriter, r *http.Request, rt *executor.Route) executor.Result {
	h.answer = syscall.Gettid()
	return h.host.Answer(w, r, rt)
}

// TestMemoryIsFlat: a filter may allocate for each request; the memory is the connection's, and goes with it.
func TestMemoryIsFlat(t *testing.T) {
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(traceFilter(t, `-DNAME="a"`, "-DEVENTS=SF_NOTIFY_LOG"), nil)}}
	r := httptest.NewRequest("GET", "/nowhere", nil)
	r.Header.Set("X-Do", "LOG=log:user|"+strings.Repeat("x", 900))
	serve := func(n int) {
		for range n {
			filter.Serve(httptest.NewRecorder(), r, nil, s.chain, s.host, &client{}, nil)
		}
	}
	t.Setenv("FILTER_TRACE", "")
	serve(20000) // until pools and the race detector have what they need
	before := resident(t)
	serve(20000)
	if grown := resident(t) - before; grown > 8<<10 {
		t.Errorf("20000 requests took %d KiB", grown)
	}
}

// resident is the memory of the process in KiB.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory() // or what the collector has yet to give back counts
	var size, pages int
	if _, err := fmt.Sscan(readFile(t, "/proc/self/statm"), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * syscall.Getpagesize() >> 10
}
