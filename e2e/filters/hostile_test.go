package filters

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testwait"
)

// Calls that must fail, do: with 87 or another error, and without harm.
func TestHostileCalls(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_hostile"))})
		for order, calls := range map[string]string{"nulls": "14", "wild": "16", "lines": "9", "stale": "20", "big": "1"} {
			res := s.get("/page.txt", "X-Hostile: "+order)
			res.want(t, 200, "hello\n")
			res.wantHeader(t, "X-Wrong", "")
			res.wantHeader(t, "X-Survived", calls)
			res.wantHeader(t, "X-Evil", "")
		}
		s.get("/page.txt").want(t, 200, "hello\n")
	})
}

// Structures that are filled with nonsense cost at most their request.
func TestHostileStructures(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_hostile")), applications: []string{secret(t)}})
		for _, c := range []struct {
			order  string
			status []int
		}{
			{"path", []int{404, 500}},
			{"user", []int{200, 401, 500}},
			{"log", []int{200}},
			{"logend", []int{200}},
			{"context", []int{200, 500}},
			{"kept", []int{200}},
			{"unknown", []int{200}},
		} {
			res, err := s.attempt("GET /page.txt", "X-Hostile: "+c.order, basic("alice", "wonderland"))
			if err != nil {
				t.Errorf("%s: %v", c.order, err)
				continue
			}
			ok := false
			for _, status := range c.status {
				ok = ok || res.StatusCode == status
			}
			if !ok {
				t.Errorf("%s: got %s, want one of %d", c.order, res.line, c.status)
			}
			s.get("/page.txt").want(t, 200, "hello\n")
		}
		for _, line := range s.trace() {
			if rest, ok := strings.CutPrefix(line, "kept "); ok && strings.Contains(" "+rest+" ", " 0 ") {
				t.Errorf("functions of PREPROC_HEADERS worked in LOG: %s", line)
			}
		}
	})
}

// What is no request has no events, and costs nothing but itself. A filter that sees bytes sees these too.
func TestNoRequest(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, global: filters(t, mode, named("a"))})
		for _, text := range []string{"GET /page.txt\r\n\r\n", "GET /page.txt\n", "\r\n\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"} {
			c := s.dial()
			c.send(text)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(c)
			c.Close()
			if strings.Contains(string(answer), " 200 ") || strings.Contains(string(answer), "hello") {
				t.Errorf("%q was answered %q", text, answer)
			}
		}
		s.get("/page.txt").want(t, 200, "hello\n")
	})
}

// A path buffer that is overrun by far may cost the process, so that this is for isolated pools. The server goes on.
func TestOverrun(t *testing.T) {
	s := start(t, layout{mode: config.ModeIsolated, app: filters(t, config.ModeIsolated, built("filter_hostile"))})
	for range 3 {
		if _, err := s.attempt("GET /page.txt", "X-Hostile: overrun"); err != nil {
			t.Logf("the request was broken off: %v", err)
		}
		testwait.Until(t, "an answer", func() bool {
			res, err := s.attempt("GET /page.txt")
			return err == nil && res.StatusCode == 200
		})
	}
}

// A thread that calls back while its connection ends, and after it.
func TestLateCalls(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_hostile"))})
		for range 5 {
			s.get("/page.txt", "X-Hostile: late").want(t, 200, "hello\n")
		}
		for range 200 { // their contexts might become the ones that are called with
			res := s.get("/page.txt")
			res.want(t, 200, "hello\n")
			res.wantHeader(t, "X-Late", "")
		}
		for _, line := range s.untilTrace("late", 5) {
			if line != "late 87" {
				t.Errorf("a call after the end: %s", line)
			}
		}
	})
}

var allEvents = []string{
	"PREPROC_HEADERS", "URL_MAP", "AUTHENTICATION", "AUTH_COMPLETE", "ACCESS_DENIED", "SEND_RESPONSE", "END_OF_REQUEST", "LOG", "END_OF_NET_SESSION",
}

// A crash costs the request in which it is, in whatever event, and no other filter misses its ends.
func TestCrash(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		for _, event := range allEvents {
			t.Run(event, func(t *testing.T) {
				s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_hostile"), named("a"))})
				url, status := "/page.txt", 500
				switch event {
				case "ACCESS_DENIED":
					url = "/empty/"
				case "END_OF_REQUEST", "LOG", "END_OF_NET_SESSION":
					status = 200
				}
				res, err := s.attempt("GET "+url, "X-Hostile: crash "+event)
				switch {
				case err != nil && status != 200:
					t.Errorf("no answer: %v", err)
				case err == nil && res.StatusCode != status:
					t.Errorf("got %s, want %d", res.line, status)
				}
				testwait.Until(t, "the fault in the log", func() bool { return strings.Contains(s.log.String(), "SIGSEGV") })
				for _, what := range []string{"END_OF_REQUEST", "LOG", "END_OF_NET_SESSION"} {
					s.untilTrace("a#1 "+what, 1)
				}
				for range 5 {
					s.get("/page.txt").want(t, 200, "hello\n")
				}
			})
		}
	})
}

// A hang is found and ended where there is a limit: the request is answered 504, and others go on.
func TestHang(t *testing.T) {
	for _, event := range []string{"PREPROC_HEADERS", "URL_MAP", "AUTH_COMPLETE", "SEND_RESPONSE", "END_OF_REQUEST", "LOG"} {
		t.Run(event, func(t *testing.T) {
			s := start(t, layout{mode: config.ModeIsolated, app: filters(t, config.ModeIsolated, built("filter_hostile")), pool: "request_timeout: 1s, shutdown_limit: 1s"})
			s.get("/page.txt").want(t, 200, "hello\n")
			res, err := s.attempt("GET /page.txt", "X-Hostile: hang "+event)
			if err == nil && res.StatusCode != 504 && (res.StatusCode != 200 || event[0] != 'E' && event[0] != 'L') {
				t.Errorf("got %s %q", res.line, res.body)
			}
			for range 5 {
				s.get("/page.txt").want(t, 200, "hello\n")
			}
		})
	}
}

// attempt is once for a request that may be broken off.
func (s *server) attempt(request string, header ...string) (response, error) {
	s.t.Helper()
	c := s.dial()
	defer c.Close()
	return c.try(request, append([]string{"Connection: close"}, header...)...)
}
