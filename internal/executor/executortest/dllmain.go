package executortest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	hosting "github.com/isapid/isapid/internal/server"
)

// testDllMain: on Unix an exported DllMain is called by the host, with NULL handles: DLL_PROCESS_ATTACH before
// GetExtensionVersion and DLL_PROCESS_DETACH after TerminateExtension, both on the first thread; the others are told of by
// DLL_THREAD_ATTACH and DLL_THREAD_DETACH, called on them.
func testDllMain(t *testing.T, s *suite) {
	if s.windows() {
		testDllMainOfWindows(t, s)
		return
	}
	for _, threads := range []int{1, 4} {
		t.Run(fmt.Sprint("threads=", threads), func(t *testing.T) {
			image := s.newLiving(t, "life_dllmain", "")
			srv := s.serveImage(t, image.path, executor.Options{Threads: threads}, hosting.Binding{})
			var all sync.WaitGroup
			for range 2 * threads { // each round needs all threads at a time
				all.Go(func() {
					if res, err := srv.try("GET", fmt.Sprint("/app.dll?", threads), nil); err != nil || res.StatusCode != 200 {
						t.Errorf("%v %v", res.Response, err)
					}
				})
			}
			all.Wait()
			if err := srv.close(); err != nil {
				t.Error(err)
			}
			checkThreads(t, image.life(), threads)
		})
	}
	t.Run("refused", func(t *testing.T) {
		for _, c := range []struct{ say, err, life string }{
			{"attach-false", "DllMain(DLL_PROCESS_ATTACH) returned FALSE", "process-attach, process-detach"},
			{"version-false", "GetExtensionVersion returned FALSE", "process-attach, GetExtensionVersion, process-detach"},
			{"version-crashes", "GetExtensionVersion: SIGSEGV", "process-attach, GetExtensionVersion, process-detach"},
		} {
			image := s.newLiving(t, "life_dllmain", c.say)
			refuses(t, s, image.path, c.err)
			if got := text(image.life()); got != c.life {
				t.Errorf("%s: %s; want %s", c.say, got, c.life)
			}
			image.write("say", "attach-minus-one") // TRUE, as Pascal has it
			if res := s.serveImage(t, image.path, executor.Options{}, hosting.Binding{}).get(""); res.Body != "1" {
				t.Errorf("%s, repaired: %s %q", c.say, res.Status, res.Body)
			}
		}
	})
}

// checkThreads follows each thread through the events of a life.
func checkThreads(t *testing.T, life []event, threads int) {
	t.Helper()
	if len(life) < 5 {
		t.Fatalf("the life is only: %s", text(life))
	}
	first := life[0].thread
	for i, want := range map[int]string{0: "process-attach", 1: "GetExtensionVersion", len(life) - 1: "process-detach"} {
		if life[i] != (event{want, first}) {
			t.Errorf("event %d is %v; want %s on the first thread, %s", i, life[i], want, first)
		}
	}
	attached := map[string]bool{first: true}
	terminated, requests, ran := 0, 0, map[string]bool{}
	for i, e := range life {
		switch e.what {
		case "thread-attach":
			if attached[e.thread] {
				t.Errorf("event %d: thread %s is attached twice", i, e.thread)
			}
			attached[e.thread] = true
		case "thread-detach":
			if !attached[e.thread] || e.thread == first || terminated == 0 {
				t.Errorf("event %d: thread %s is detached; attached %v, TerminateExtension called %d times", i, e.thread, attached, terminated)
			}
			delete(attached, e.thread)
		case "TerminateExtension":
			if terminated++; e.thread != first && !attached[e.thread] {
				t.Errorf("event %d: TerminateExtension on thread %s, which is not attached", i, e.thread)
			}
		case "request", "answered":
			requests++
			ran[e.thread] = true
			if !attached[e.thread] || terminated > 0 {
				t.Errorf("event %d: %s on thread %s; attached are %v, TerminateExtension called %d times", i, e.what, e.thread, attached, terminated)
			}
		}
	}
	if len(attached) != 1 || terminated != 1 || requests != 4*threads || len(ran) != threads {
		t.Errorf("at the end threads %v are attached, TerminateExtension was called %d times, %d events of requests were on %d threads; want the "+
			"first, 1, %d and %d\n%s", attached, terminated, requests, len(ran), 4*threads, threads, strings.ReplaceAll(fmt.Sprint(life), "} {", "\n"))
	}
}

// testDllMainOfWindows: there the system calls DllMain, of every thread of the process. What holds is that the image is attached first
// and detached last, and that no thread is attached or detached twice.
func testDllMainOfWindows(t *testing.T, s *suite) {
	image := s.newLiving(t, "life_dllmain", "")
	srv := s.serveImage(t, image.path, executor.Options{}, hosting.Binding{})
	for range 4 {
		if res := srv.get(""); res.StatusCode != 200 {
			t.Errorf("%s, want 200", res.Status)
		}
	}
	if err := srv.close(); err != nil {
		t.Error(err)
	}
	life := image.life()
	loaded := strings.Index(text(life), "GetExtensionVersion")
	if loaded < 0 || !strings.HasPrefix(life[0].what, "process-attach") || strings.Index(text(life), "request") < loaded {
		t.Fatalf("the life is %v", life)
	}
	if last := life[len(life)-1].what; !strings.HasPrefix(last, "process-detach") {
		t.Errorf("the last event is %s, want process-detach", last)
	}
	if got := strings.Count(text(life), "TerminateExtension"); got != 1 {
		t.Errorf("TerminateExtension was called %d times", got)
	}
	attached := map[string]int{}
	for i, e := range life {
		switch {
		case strings.HasPrefix(e.what, "thread-attach"):
			attached[e.thread]++
		case strings.HasPrefix(e.what, "thread-detach"):
			attached[e.thread]--
		}
		if n := attached[e.thread]; n < -1 || n > 1 { // one that was there before the load is only detached
			t.Errorf("event %d: thread %s is attached %d times", i, e.thread, n)
		}
	}
	for _, c := range []struct{ say, err string }{
		{"attach-false", image.path},
		{"version-false", "GetExtensionVersion returned FALSE"},
		{"version-crashes", "GetExtensionVersion: EXCEPTION_ACCESS_VIOLATION"},
	} {
		image := s.newLiving(t, "life_dllmain", c.say)
		if c.say == "attach-false" {
			c.err = image.path
		}
		refuses(t, s, image.path, c.err)
		image.write("say", "attach-minus-one") // TRUE, as Pascal has it
		if res := s.serveImage(t, image.path, executor.Options{}, hosting.Binding{}).get(""); res.Body != "1" {
			t.Errorf("%s, repaired: %s %q", c.say, res.Status, res.Body)
		}
	}
}
