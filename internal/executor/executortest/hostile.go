package executortest

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testwait"
)

// testHostile: whatever an extension passes or overwrites, its callbacks fail or it gets its answer, and the next request is fine.
func testHostile(t *testing.T, s *suite) {
	for _, threads := range []int{25, 1} {
		srv := s.serve(t, "hostile", executor.Options{Threads: threads, ReadAhead: 16})
		for range 2 {
			if res := srv.do("POST", "/app.dll?pointers", strings.NewReader(strings.Repeat("b", 100))); res.Body != "ok" {
				t.Errorf("bad pointers: %s\n%s", res.Status, res.Body)
			}
		}
		results := 8 // of those before and up to the log
		if s.windows() {
			results -= 3
		}
		for _, c := range []struct{ query, body string }{
			{"scribble", "survived"},
			{"mask", "ok"},
			{"locale", map[bool]string{true: "0", false: "1"}[s.windows()]}, // the process's; who needs another keeps the extension in a pool of its own
			{"fork-exit", "exit 7 signal 0"},
			{"fork-crash", "exit -1 signal 11"},
			{"fork-abort", "exit -1 signal 6"},
			{"log", "ok"},
			{"fine", "ok"},
		} {
			if s.windows() && strings.HasPrefix(c.query, "fork-") {
				continue
			}
			if res := srv.get(c.query); res.StatusCode != 200 || res.Body != c.body {
				t.Errorf("%s: %s %q, want 200 %q", c.query, res.Status, res.Body, c.body)
			}
		}
		if got, want := srv.result(results).LogData, " "+strings.Repeat("L", 79); got != want {
			t.Errorf("log data without a NUL is %q, want %q", got, want)
		}
		if srv.log.Has("fault contained") || srv.log.Has("defect") {
			t.Errorf("the log tells of a fault or a defect:\n%s", srv.log)
		}
	}
	t.Run("storm", func(t *testing.T) { testStorm(t, s) })
	t.Run("vanish", func(t *testing.T) { testVanish(t, s) })
}

// A buffer is gone while it is being sent: that response may break, in every protocol, and nothing else does.
func testVanish(t *testing.T, s *suite) {
	for _, srv := range []*server{s.serve(t, "vanish", executor.Options{}), s.serveTLS(t, "vanish", executor.Options{}).server} {
		trs := []*http.Transport{{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		if strings.HasPrefix(srv.URL, "https") {
			trs = append(trs, http2Only())
		}
		for _, tr := range trs {
			g := newGate(t)
			req, err := http.NewRequest("GET", srv.URL+"/app.dll?vanish="+url.QueryEscape(g.file), nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			g.open()
			testwait.Until(t, "the buffer to be gone", func() bool { _, err := os.Stat(g.file + "-gone"); return err == nil })
			n, err := io.Copy(io.Discard, res.Body) // all of it, if it had been taken before
			res.Body.Close()
			tr.CloseIdleConnections()
			if err == nil && n != 32<<20 {
				t.Errorf("%s: %d bytes without an error", res.Proto, n)
			}
			if res := srv.get("fine"); res.StatusCode != 200 {
				t.Errorf("after it: %s, want 200", res.Status)
			}
		}
	}
}

// Fifty threads call back at once for each of four requests at once: every byte arrives.
func testStorm(t *testing.T, s *suite) {
	srv := s.serve(t, "hostile", executor.Options{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			res, err := srv.try("GET", "/app.dll?storm", nil)
			if want := strings.Repeat("x", 50*200); err != nil || res.Body != want {
				t.Errorf("body has %d bytes (%v), want %d", len(res.Body), err, len(want))
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		if got := srv.result(i).LogData; got != "0 bad" {
			t.Errorf("callbacks: %s, want 0 bad", got)
		}
	}
}

// testStale: a ConnID that is over, or never was one, is refused and reaches no other request.
func testStale(t *testing.T, s *suite) {
	srv := s.serve(t, "stale", executor.Options{})
	for range 8 {
		srv.get("keep")
	}
	for _, c := range []struct{ query, body string }{
		{"use", "0 of 8 wrong"},
		{"use-thread", "0 of 8 wrong"},
		{"invented", "0 wrong"},
		{"ecb", "ecb"},
		{"use-thread", "0 of 8 wrong"},
	} {
		if res := srv.get(c.query); res.Body != c.body {
			t.Errorf("%s: %q, want %q", c.query, res.Body, c.body)
		}
	}
	stop := background(t, srv) // fresh requests must not be mistaken for the stale ones
	defer stop()
	for range 50 {
		if res := srv.get("use-thread"); res.Body != "0 of 8 wrong" {
			t.Errorf("under load: %q, want 0 of 8 wrong", res.Body)
		}
	}
}
