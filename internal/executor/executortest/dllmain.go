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
	for _, threads := range []int{1, 4} {
		t.Run(fmt.Sprint("threads=", threads), func(t *testing.T) {
			image := newLiving(t, "life_dllmain", "")
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
			image := newLiving(t, "life_dllmain", c.say)
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
