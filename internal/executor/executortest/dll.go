package executortest

import (
	"cmp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	hosting "github.com/isapid/isapid/internal/server"
	"github.com/isapid/isapid/internal/testext"
)

// testDLL is what there is with DLLs only; elsewhere it does nothing.
func testDLL(t *testing.T, s *suite) {
	if !s.windows() {
		return
	}
	t.Run("threads", func(t *testing.T) { testDLLThreads(t, s) })
	t.Run("other processor", func(t *testing.T) { testDLLOfOther(t, s) })
}

// testDLLThreads: DllMain is told of every thread, so that what it makes for each is there, and thread variables are each thread's own.
func testDLLThreads(t *testing.T, s *suite) {
	srv := s.serve(t, "dll_threads", executor.Options{Threads: 1})
	for i, want := range []string{"1", "2", "3"} { // one thread
		if got := srv.get("").Body; got != want {
			t.Errorf("visit %d of the thread is its %s", i+1, got)
		}
	}
	for range 3 {
		if got := srv.get("own").Body; got != "attached 1 detached 1 memory 1" {
			t.Errorf("a thread of its own: %s, want it attached and detached, with memory", got)
		}
	}
}

// testDLLOfOther: a DLL for the other processor is refused by its header, with both named; nothing is tried.
func testDLLOfOther(t *testing.T, s *suite) {
	other := map[string]string{"amd64": "386", "386": "amd64"}[cmp.Or(s.DLL, runtime.GOARCH)]
	path := testext.DLL(t, other, "hello")
	refuses(t, s, path, other)
	refuses(t, s, path, path)
}

// testPascal: exceptions of the run-time library of Free Pascal, also for faults, are caught on their own thread, and thread variables are
// each thread's own.
func testPascal(t *testing.T, s *suite) {
	if s.DLL == "386" {
		t.Skip("there is no compiler that makes 32-bit DLLs of Pascal here")
	}
	srv := s.serve(t, "pascal_exception", executor.Options{})
	for range 3 {
		if res := srv.get(""); res.StatusCode != 200 || res.Body != "caught: disk on fire\n" {
			t.Errorf("%s %q, want the exception caught", res.Status, res.Body)
		}
		if !s.windows() { // there the rest is faults, see package sdk/pascal
			continue
		}
		if res := srv.get("access"); res.StatusCode != 200 || !strings.HasPrefix(res.Body, "caught: Access violation") {
			t.Errorf("%s %q, want the fault caught as an exception", res.Status, res.Body)
		}
	}
	if s.windows() {
		if res := srv.get("uncaught"); res.StatusCode != 500 {
			t.Errorf("an exception that leaves the function: %s, want 500", res.Status)
		}
	}

	srv = s.serveImage(t, s.fixture(t, "pascal_threadvar"), executor.Options{Threads: 8}, hosting.Binding{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				if res, err := srv.try("GET", "/app.dll", nil); err != nil || res.Body != "fine" {
					t.Errorf("%q, %v; want fine", res.Body, err)
					return
				}
			}
		})
	}
	all.Wait()
}
