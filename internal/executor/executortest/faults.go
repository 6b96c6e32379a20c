package executortest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testlog"
)

type kind struct {
	how, log string
	dll      bool // contained in a DLL, too
}

// kinds are the ways the fixture crash ends, with what the log line of the fault says, and whether the one of a DLL is contained,
// too: a stack without frames is not to be unwound there, and what ends the process inside of its C library ends it.
var kinds = []kind{
	{"segv", "SIGSEGV (address not mapped) accessing 0x10, in ", true},
	{"wild", "SIGSEGV", true},
	{"readonly", "SIGSEGV (no permission for address)", true},
	{"bus", "SIGBUS (beyond the end of a file)", false},
	{"fpe", "SIGFPE", true},
	{"ill", "SIGILL", true},
	{"trap", "SIGTRAP", true},
	{"abort", "SIGABRT (abort), in misuse+", true},
	{"assert", "SIGABRT", true},
	{"raise", "SIGSEGV (raised by the code itself)", true},
	{"overflow", "SIGSEGV (stack overflow)", true},
	{"smash", "SIG", false}, // SIGABRT where the compiler protects stacks
	{"no-stack", "SIGSEGV", false},
	{"null-call", "SIGSEGV", true},
	{"wild-call", "SIGSEGV", true},
	{"masked", "SIGSEGV (address not mapped) accessing 0x10", false},
	{"exit", "called exit(3)", true},
	{"_exit", "called _exit(4)", true},
	{"quick_exit", "called quick_exit(5)", true},
	{"pthread_exit", "called pthread_exit(0)", false},
}

// testFaults: a fault costs its own request, which is answered, and nothing else; the log says what and where.
func testFaults(t *testing.T, s *suite) {
	for _, threads := range []int{25, 1} {
		t.Run(fmt.Sprintf("threads %d", threads), func(t *testing.T) { testFaultKinds(t, s, threads) })
	}
	t.Run("sent", func(t *testing.T) { testFaultSent(t, s) })
	t.Run("thread", func(t *testing.T) { testFaultThread(t, s) })
	t.Run("completion", func(t *testing.T) { testFaultCompletion(t, s) })
	t.Run("exception", func(t *testing.T) { testFaultException(t, s) })
	t.Run("refuse", func(t *testing.T) { testFaultRefuse(t, s) })
	t.Run("load", func(t *testing.T) { testFaultLoad(t, s) })
	t.Run("unload", func(t *testing.T) { testFaultUnload(t, s) })
	t.Run("many", func(t *testing.T) { testFaultMany(t, s) })
}

func testFaultKinds(t *testing.T, s *suite, threads int) {
	other := s.serve(t, "hello", executor.Options{})
	for _, k := range kinds {
		if s.windows() && !k.dll {
			continue
		}
		t.Run(k.how, func(t *testing.T) {
			srv := s.serve(t, "crash", executor.Options{Threads: threads, Name: "crash." + k.how})
			stop := background(t, other)
			for range 3 {
				if res := srv.get(k.how); res.StatusCode != 500 || res.Body != "error page 500.0" {
					t.Errorf("%s: %s %q, want the server's page for 500", k.how, res.Status, res.Body)
				}
				if res := srv.get("fine"); res.StatusCode != 200 || res.Body != "ok" {
					t.Errorf("after %s: %s %q, want 200 ok", k.how, res.Status, res.Body)
				}
			}
			stop()
			for _, want := range []string{"image=crash." + k.how, s.Said(k.log), "/app.dll/x?" + k.how, "faults=3"} {
				if !srv.log.Has(want) {
					t.Errorf("%s: the log lacks %q:\n%s", k.how, want, srv.log)
				}
			}
			if k.how == "segv" && !s.windows() && !(srv.log.Has("in misuse+") && srv.log.Has("crash.c:") && srv.log.Has("HttpExtensionProc+")) {
				t.Errorf("the log lacks the stack with lines:\n%s", srv.log)
			}
			if srv.result(0).Fault == nil || srv.result(1).Fault != nil {
				t.Errorf("%s: results have the faults %v and %v, want one of the first only", k.how, srv.result(0).Fault, srv.result(1).Fault)
			}
		})
	}
}

// background asks srv all the time until stop is called; every answer has to be right.
func background(t *testing.T, srv *server) (stop func()) {
	var quit atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !quit.Load() {
				if res, err := srv.try("GET", "/app.dll/x?fine", nil); err != nil || res.StatusCode != 200 {
					t.Errorf("another request got %v, %v, want 200", res.Response, err)
					return
				}
			}
		})
	}
	return func() { quit.Store(true); wg.Wait() }
}

// contained are the kinds of these that can be.
func (s *suite) contained(how ...string) []string {
	return slices.DeleteFunc(how, func(h string) bool {
		return s.windows() && slices.ContainsFunc(kinds, func(k kind) bool { return k.how == h && !k.dll })
	})
}

// A response that had begun is broken off where the client sees it.
func testFaultSent(t *testing.T, s *suite) {
	srv := s.serve(t, "crash", executor.Options{})
	for _, how := range s.contained("segv", "abort", "exit") {
		res, err := srv.try("GET", "/app.dll/x?sent-"+how, nil)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: read %q with %v, want %v", how, res.Body, err, io.ErrUnexpectedEOF)
		}
	}
}

// A fault on a thread of the extension's own parks that thread and answers the pending request.
func testFaultThread(t *testing.T, s *suite) {
	srv := s.serve(t, "crash", executor.Options{})
	for _, k := range kinds {
		if strings.Contains(k.how, "exit") || s.windows() && (!k.dll || strings.HasPrefix(k.log, "SIGABRT")) { // ends the process or, as it should, the thread
			continue
		}
		if res := srv.get("thread-" + k.how); res.StatusCode != 500 {
			t.Errorf("%s: %s, want 500", k.how, res.Status)
		}
		if !srv.log.Has(s.Said(k.log)) {
			t.Errorf("%s: the log lacks %q:\n%s", k.how, s.Said(k.log), srv.log)
		}
	}
	for _, want := range []string{"on a thread of the extension's own (parked)", "on_thread+"} {
		if s.windows() && want == "on_thread+" { // there are no names without debug information in its own form
			continue
		}
		if !srv.log.Has(want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if res := srv.get("fine"); res.StatusCode != 200 {
		t.Errorf("after it: %s, want 200", res.Status)
	}
}

func testFaultCompletion(t *testing.T, s *suite) {
	for _, threads := range []int{25, 1} {
		srv := s.serve(t, "crash", executor.Options{Threads: threads})
		for _, how := range s.contained("segv", "abort", "overflow", "exit") {
			res, err := srv.try("GET", "/app.dll/x?completion-"+how, nil)
			if err == nil && res.StatusCode != 500 {
				t.Errorf("%s: %s %q, want 500 or a break", how, res.Status, res.Body)
			}
		}
		if !s.windows() && !srv.log.Has("completion+") {
			t.Errorf("the log lacks the callback:\n%s", srv.log)
		}
		if res := srv.get("fine"); res.StatusCode != 200 {
			t.Errorf("after it: %s, want 200", res.Status)
		}
	}
}

func testFaultException(t *testing.T, s *suite) {
	srv := s.serve(t, "throw", executor.Options{})
	for query, status := range map[string]int{"throw": 500, "terminate": 500, "caught": 200, "": 200} {
		if res := srv.get(query); res.StatusCode != status {
			t.Errorf("%s: %s, want %d", query, res.Status, status)
		}
	}
}

func testFaultRefuse(t *testing.T, s *suite) {
	srv := s.serve(t, "crash", executor.Options{OnFault: executor.FaultRefuse})
	for _, want := range []struct {
		query  string
		status int
	}{{"fine", 200}, {"segv", 500}, {"fine", 500}} {
		if res := srv.get(want.query); res.StatusCode != want.status {
			t.Errorf("%s: %s, want %d", want.query, res.Status, want.status)
		}
	}
}

// faulty is the fixture crash_at under a name that says where it faults.
func (s *suite) faulty(t *testing.T, name string) string {
	t.Helper()
	return renamed(t, s.fixture(t, "crash_at"), name)
}

// A fault while it is loaded is why an image is not loaded; the next one is.
func testFaultLoad(t *testing.T, s *suite) {
	for place, call := range map[string]string{"constructor": "", "attach": "DllMain(DLL_PROCESS_ATTACH): ", "version": "GetExtensionVersion: "} {
		for how, said := range map[string]string{"segv": "SIGSEGV", "abort": "SIGABRT", "exit": "called exit(3)"} {
			if s.windows() && how != "segv" && place != "version" {
				continue // the loader calls it, who knows no host
			}
			call, said := call, s.Said(said)
			if s.windows() && place != "version" {
				call, said = "DllMain(DLL_PROCESS_ATTACH)", "faulted"
			}
			path := s.faulty(t, place+"-"+how)
			ex, err := s.open(path, executor.Options{Logger: slog.New(slog.DiscardHandler)})
			if err == nil {
				t.Errorf("%s: it was loaded", path)
				_ = ex.Close(context.Background())
				continue
			}
			if !says(err, call) || !says(err, said) || !says(err, path) {
				t.Errorf("%s: error is %q, want it to name the file, %q and %q", path, err, call, said)
			}
			if res := s.serve(t, "hello", executor.Options{}).get(""); res.StatusCode != 200 {
				t.Errorf("after %s: %s, want 200", path, res.Status)
			}
		}
	}
}

// A fault while it is unloaded is told by Close; others can be loaded afterwards.
func testFaultUnload(t *testing.T, s *suite) {
	for place, call := range map[string]string{"terminate": "TerminateExtension: ", "detach": "DllMain(DLL_PROCESS_DETACH): ", "destructor": ""} {
		for how, said := range map[string]string{"segv": "SIGSEGV", "abort": "SIGABRT", "exit": "called exit(3)"} {
			if s.windows() && place != "terminate" {
				continue // the loader calls it, and keeps quiet about it
			}
			said = s.Said(said)
			path, log := s.faulty(t, place+"-"+how), &testlog.Buffer{}
			ex, err := s.open(path, executor.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if d := ex.Description(); d != strings.Repeat("d", 256) {
				t.Errorf("description without a NUL is %q, want all its 256 bytes", d)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			err = ex.Close(ctx)
			cancel()
			if err == nil || !strings.Contains(err.Error(), call+said) {
				t.Errorf("%s: close says %v, want %q and %q", path, err, call, said)
			}
			if res := s.serve(t, "hello", executor.Options{}).get(""); res.StatusCode != 200 {
				t.Errorf("after %s: %s, want 200", path, res.Status)
			}
		}
	}
}

// Thousands of faults at once with good requests among them.
func testFaultMany(t *testing.T, s *suite) {
	srv := s.serve(t, "crash", executor.Options{Threads: 8})
	stop := background(t, srv)
	defer stop()
	const each = 250
	var wg sync.WaitGroup
	for _, k := range s.contained("segv", "abort", "overflow", "exit", "fpe", "null-call", "masked", "smash") {
		wg.Go(func() {
			for range each {
				if res, err := srv.try("GET", "/app.dll/x?"+k, nil); err != nil || res.StatusCode != 500 {
					t.Errorf("%s: %v, %v; want 500", k, res.Response, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
