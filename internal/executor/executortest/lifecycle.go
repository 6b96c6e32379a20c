package executortest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	hosting "github.com/isapid/isapid/internal/server"
	"github.com/isapid/isapid/internal/testlog"
	"github.com/isapid/isapid/internal/testwait"
)

func testLifecycle(t *testing.T, s *suite) {
	for _, sub := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"Order", testOrder},
		{"Refused", testRefused},
		{"Accepted", testAccepted},
		{"AfterRequests", testTerminateAfterRequests},
		{"TerminateAnswers", testTerminateAnswers},
		{"TooLate", testCloseTooLate},
		{"Load", testLoad},
		{"Instances", testInstances},
		{"Decorated", testDecorated},
		{"ThreadKeys", testThreadKeys},
	} {
		t.Run(sub.name, func(t *testing.T) { sub.run(t, s) })
	}
}

// testOrder: GetExtensionVersion and TerminateExtension once each, TerminateExtension with HSE_TERM_MUST_UNLOAD.
func testOrder(t *testing.T, s *suite) {
	for _, threads := range []int{4, 1} {
		image := s.newLiving(t, "life", "")
		srv := s.serveImage(t, image.path, executor.Options{Threads: threads}, hosting.Binding{})
		if got, want := text(image.life()), "GetExtensionVersion"; got != want {
			t.Errorf("%d threads, loaded: %s; want %s", threads, got, want)
		}
		for range 2 {
			srv.get("")
		}
		if err := srv.close(); err != nil {
			t.Error(err)
		}
		want := "GetExtensionVersion, request, answered, request, answered, TerminateExtension(2)"
		if got := text(image.life()); got != want {
			t.Errorf("%d threads: %s; want %s", threads, got, want)
		}
		if res := srv.get(""); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
			t.Errorf("%d threads, after the end: %s, Retry-After %q; want 503 and a time", threads, res.Status, res.Header.Get("Retry-After"))
		}
	}
}

// testRefused: an extension that says no, or crashes, is not loaded, and its TerminateExtension is not called.
func testRefused(t *testing.T, s *suite) {
	for _, c := range []struct{ say, want string }{
		{"version-false", "GetExtensionVersion returned FALSE"},
		{"version-false error-126", "GetExtensionVersion returned FALSE; its last error is 126"},
		{"version-crashes", "GetExtensionVersion: SIGSEGV (address not mapped) accessing 0x10, in "},
	} {
		image := s.newLiving(t, "life", c.say)
		refuses(t, s, image.path, s.Said(c.want))
		if got, want := text(image.life()), "GetExtensionVersion"; got != want {
			t.Errorf("%s: %s; want %s", c.say, got, want)
		}
		image.write("say", "") // whatever was wrong is repaired
		srv := s.serveImage(t, image.path, executor.Options{}, hosting.Binding{})
		if res := srv.get(""); res.Body != "1" {
			t.Errorf("%s, repaired: %s %q; want 1", c.say, res.Status, res.Body)
		}
	}
}

// refuses opens an image and fails unless that fails, with an error that has want in it.
func refuses(t *testing.T, s *suite, image, want string) {
	t.Helper()
	ex, err := s.open(image, executor.Options{})
	if err == nil {
		_ = ex.Close(context.Background())
		t.Errorf("loaded; want an error with %q", want)
		return
	}
	if !says(err, want) {
		t.Errorf("error %q; want %q in it", err, want)
	}
}

// says tells whether an error has a text in it, which may be a path that is quoted there.
func says(err error, text string) bool {
	return strings.Contains(strings.ReplaceAll(err.Error(), `\\`, `\`), strings.ReplaceAll(text, `\\`, `\`))
}

// testAccepted: what GetExtensionVersion may say. Any value but FALSE is TRUE, such as Pascal's -1; no version is too new; a
// description need not end.
func testAccepted(t *testing.T, s *suite) {
	for _, c := range []struct{ say, description string }{
		{"", "life of an image"},
		{"version-minus-one", "life of an image"},
		{"version-from-tomorrow", "life of an image"},
		{"error-126", "life of an image"}, // what a success left there is nobody's business
		{"full-description", strings.Repeat("d", 256)},
	} {
		image := s.newLiving(t, "life", c.say)
		srv := s.serveImage(t, image.path, executor.Options{}, hosting.Binding{})
		if got := srv.ex.Description(); got != c.description {
			t.Errorf("%q: description %q, want %q", c.say, got, c.description)
		}
		if res := srv.get(""); res.Body != "1" {
			t.Errorf("%q: %s %q", c.say, res.Status, res.Body)
		}
	}
}

// testTerminateAfterRequests: TerminateExtension waits for requests that run; new ones are turned away meanwhile.
func testTerminateAfterRequests(t *testing.T, s *suite) {
	for _, threads := range []int{4, 1} {
		image := s.newLiving(t, "life", "")
		srv := s.serveImage(t, image.path, executor.Options{Threads: threads}, hosting.Binding{})
		answer, closed := make(chan response, 1), make(chan error, 1)
		go func() {
			res, err := srv.try("GET", "/app.dll?wait", nil)
			if err != nil {
				t.Error(err)
				res.Response = &http.Response{}
			}
			answer <- res
		}()
		testwait.Until(t, "request inside", func() bool { return strings.HasSuffix(text(image.life()), "request") })
		go func() { closed <- srv.close() }()
		testwait.Until(t, "new requests turned away", func() bool { return srv.refusesNew() })
		if got := text(image.life()); strings.Contains(got, "Terminate") {
			t.Errorf("%d threads, while a request runs: %s", threads, got)
		}
		image.write("go", "x")
		if res := <-answer; res.StatusCode != 200 || res.Body != "1" {
			t.Errorf("%d threads: %s %q; want the answer 1", threads, res.Status, res.Body)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if got, want := text(image.life()), "answered, TerminateExtension(2)"; !strings.HasSuffix(got, want) || strings.Count(got, "Term") != 1 {
			t.Errorf("%d threads: %s; want %s at the end", threads, got, want)
		}
	}
}

// refusesNew tells whether a request is answered 503. It is given up when it is not answered soon, because it waits behind
// another.
func (s *server) refusesNew() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/app.dll", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusServiceUnavailable
}

// testTerminateAnswers: nothing that TerminateExtension does keeps the library. One that does not have it is unloaded as well
// (all fixtures but those of life).
func testTerminateAnswers(t *testing.T, s *suite) {
	for _, c := range []struct{ say, err string }{
		{"terminate-false", ""},
		{"terminate-crashes", "TerminateExtension: SIGSEGV"},
	} {
		image := s.newLiving(t, "life", c.say)
		ex, err := s.open(image.path, executor.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = ex.Close(context.Background())
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", c.say, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), s.Said(c.err))):
			t.Errorf("%s: error %v; want %q in it", c.say, err, c.err)
		}
		if got, want := text(image.life()), "GetExtensionVersion, TerminateExtension(2)"; got != want {
			t.Errorf("%s: %s; want %s", c.say, got, want)
		}
	}
}

// testCloseTooLate: requests that do not end keep the library loaded, and Close says so.
func testCloseTooLate(t *testing.T, s *suite) {
	image := s.newLiving(t, "life", "")
	ex, err := s.open(image.path, executor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := &server{t: t, images: s.Images, log: &testlog.Buffer{}, root: t.TempDir(), ex: ex}
	srv.host = &testHost{srv: srv}
	stop := srv.listen(hosting.Binding{}, srv, newLogger(srv.log))
	answer := make(chan response, 1)
	go func() { res, _ := srv.try("GET", "/app.dll?wait", nil); answer <- res }()
	testwait.Until(t, "request inside", func() bool { return strings.HasSuffix(text(image.life()), "request") })
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := ex.Close(over); err == nil || !strings.Contains(err.Error(), "1 requests are still inside it") {
		t.Errorf("error %v; want one that counts the request", err)
	}
	image.write("go", "x")
	if res := <-answer; res.Body != "1" {
		t.Errorf("body %q, want 1", res.Body)
	}
	stop()
	if err := ex.Close(context.Background()); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if got, want := text(image.life()), "GetExtensionVersion, request, answered, TerminateExtension(2)"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

// testInstances: the same library opened twice is two, with variables of their own; opened again, it begins anew.
func testInstances(t *testing.T, s *suite) {
	library := s.fixture(t, "life")
	a := s.serveImage(t, library, executor.Options{}, hosting.Binding{})
	b := s.serveImage(t, library, executor.Options{}, hosting.Binding{})
	for i, srv := range []*server{a, a, b, a, b} {
		if got, want := srv.get("").Body, []string{"1", "2", "1", "3", "2"}[i]; got != want {
			t.Errorf("request %d: count %q, want %q", i, got, want)
		}
	}
	if err := a.close(); err != nil {
		t.Error(err)
	}
	again := s.serveImage(t, library, executor.Options{}, hosting.Binding{})
	if got := again.get("").Body; got != "1" {
		t.Errorf("opened again, count %q, want 1", got)
	}
	if got := b.get("").Body; got != "3" {
		t.Errorf("the other instance, count %q, want 3", got)
	}
}

// testThreadKeys: a library whose threads call it at their end is left in memory; the process survives the end of all threads.
func testThreadKeys(t *testing.T, s *suite) {
	s.unix(t, "its runtime is told of the end of threads by DllMain")
	for _, threads := range []int{4, 1} {
		srv := s.serve(t, "pascal_unload", executor.Options{Threads: threads})
		for range 8 {
			if res := srv.get(""); res.StatusCode != 200 || res.Body != "" {
				t.Errorf("%s %q; want 200 without a body", res.Status, res.Body)
			}
		}
		if err := srv.close(); err != nil {
			t.Error(err)
		}
	}
}
