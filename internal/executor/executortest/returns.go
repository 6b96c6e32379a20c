package executortest

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

func testReturns(t *testing.T, s *suite) {
	t.Run("Values", func(t *testing.T) { testReturnValues(t, s) })
	t.Run("Pending", func(t *testing.T) { testPending(t, s) })
	t.Run("Never", func(t *testing.T) { testNeverDone(t, s) })
}

func testReturnValues(t *testing.T, s *suite) {
	p := s.player(t)
	const whole = "header=Content-Length: 1\r\n\r\n | status=404 | ex= | write=x | return="
	for _, tt := range []struct{ steps, line, body string }{
		// with nothing sent
		{"return=0", "200 OK", ""},
		{"return=1", "200 OK", ""},
		{"return=2", "200 OK", ""},
		{"return=4", "500 Internal Server Error", "error page 500.0"},
		{"return=5", "500 Internal Server Error", "error page 500.0"},
		{"return=4294967295", "500 Internal Server Error", "error page 500.0"},
		// after a complete response
		{whole + "0", "404 Not Found", "x"},
		{whole + "2", "404 Not Found", "x"},
		{whole + "4", "404 Not Found", "x"},
		{whole + "77", "404 Not Found", "x"},
		// after a response of unknown length
		{"send= | write=x | return=4", "200 OK", "x"},
		{"write=<p>x</p> | return=4", "200 OK", "<p>x</p>"},
		{"status=503 | send= | return=4", "503 Service Unavailable", ""},
	} {
		got := p.play(tt.steps)
		if got.line != "HTTP/1.1 "+tt.line || got.body != tt.body || got.result.Broken {
			t.Errorf("%q: %q, body %q, result %+v; want %q, %q", tt.steps, got.line, got.body, got.result, tt.line, tt.body)
		}
	}
	if !p.log.Has("no HSE_STATUS") {
		t.Error("the log does not tell of return values that are none")
	}
}

func testPending(t *testing.T, s *suite) {
	for _, threads := range []int{25, 1} {
		srv := s.serve(t, "pending", executor.Options{Threads: threads})
		for _, how := range []string{"before", "after", "early", "twice", "sync", "sync4", "status", "wild"} {
			for range 3 {
				if res := srv.get(how); res.StatusCode != 200 || res.Body != "answered "+how {
					t.Errorf("%s with %d threads: %s, body %q", how, threads, res.Status, res.Body)
				}
			}
		}
	}
}

// testNeverDone: a request whose extension forgot it is given up, and what comes later for it fails.
func testNeverDone(t *testing.T, s *suite) {
	srv := s.serve(t, "pending", executor.Options{Pending: 20 * time.Millisecond})
	if res := srv.get("never"); res.StatusCode != 500 || res.Body != "error page 500.0" {
		t.Errorf("never done: %s, body %q", res.Status, res.Body)
	}
	if res := srv.get("stale"); res.Body != "stale" {
		t.Errorf("after it: %s, body %q", res.Status, res.Body)
	}
	if got := srv.result(1).LogData; got != "87 87 87 87" {
		t.Errorf("callbacks of a request that was given up failed with %q, want 87 each", got)
	}
	if res, err := srv.try("GET", "/app.dll?never-head", nil); !errors.Is(err, io.ErrUnexpectedEOF) || res.Body != "half" {
		t.Errorf("never done, half sent: body %q, %v; want a break", res.Body, err)
	}
	if !srv.log.Has("HSE_REQ_DONE_WITH_SESSION") {
		t.Error("the log does not say why the requests were given up")
	}
	if got := srv.get("after").Body; !strings.HasPrefix(got, "answered") {
		t.Errorf("a request after all this: %q", got)
	}
}
