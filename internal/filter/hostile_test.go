//go:build windows || (unix && cgo)

package filter_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/filter"
	"github.com/isapid/isapid/internal/testext"
)

func hostile(t testing.TB) *setup {
	t.Helper()
	s := start(t)
	s.chain = []filter.Member{{Filter: s.load(testext.Compile(t, "testdata/hostile.c"), nil)}}
	return s
}

// TestCallbackErrors is what the callbacks answer to good and bad arguments: names with 0 succeeded, others are the last error.
func TestCallbackErrors(t *testing.T) {
	s := hostile(t)
	a := s.do("POST", "/nowhere", "X-Do: errors")
	want := `get=0 n=7 errors short=122 n=7 none=122 n=7 absent=1413 nocolon=1413 noname=87 nosize=87 badname=87 badbuffer=87 badsize=87 hugename=87` +
		` set=0 crlf=87 lf=87 namecrlf=87 setnocolon=87 setnull=87 hugevalue=87 delabsent=0 length=87 dellength=87 encoding=87 url=87 delurl=87 method=87` +
		` version=87 status=87 write=87 writenosize=87 writehuge=87 add=87 addnull=87 addtext=87 denialnull=87 head=87 badhead=87 unknown=87` +
		` connid=50 n=0 site=0 n=7 ssl=50 property=87 cert=50 proxy=0 readsize=87 descriptor=0 n=33 normalize=0 /b?c normalizebad=87` +
		` variable=0 7 changed=0 1 novariable=1413 noheader=1413 alloc0=0 allochuge=8`
	if got := strings.TrimSpace(a.body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(s.faults) > 0 {
		t.Errorf("faults: %v", s.faults)
	}
}

// TestSpecialNames is what the parts of the request line and its odd header fields are for a filter, before and after it changes them.
func TestSpecialNames(t *testing.T) {
	s := hostile(t)
	a := s.do("POST", "/nowhere?q=%20", "X-Do: specials", "X-Twice: 1", "X-Twice: 2")
	want := "method=POST url=/nowhere?q=%20 version=HTTP/1.1 URL=/nowhere?q=%20 Host:=HOST Content-Length:=6 X-Twice:=1,2 once=once more=once,more none=?" +
		" method=PUT url=/a%20b?c%20d version=HTTP/1.0 URL=/a%20b?c%20d Host:=other name=other script=/a b"
	if got := strings.ReplaceAll(strings.TrimSpace(a.body), strings.TrimPrefix(s.srv.URL, "http://"), "HOST"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestOverruns: a filter that writes beyond its buffers, or leaves no text there, costs its request and is told of. What it says by
// another pointer is not looked at.
func TestOverruns(t *testing.T) {
	for _, c := range []struct{ do, answer, fault string }{
		{"path beyond", "500 page 500.0", "wrote beyond the end"},
		{"path open", "500 page 500.0", "without its end"},
		{"path pointer", "200 a page\n", ""},
		{"user beyond", "500 page 500.0", "wrote beyond the end"},
		{"password beyond", "500 page 500.0", "wrote beyond the end"},
		{"password open", "500 page 500.0", "without its end"},
		{"user pointer", "200 a page\n", ""},
		{"log pointer", "200 a page\n", "a pointer that is no text"},
		{"log open", "200 a page\n", "a pointer that is no text"},
		{"log long", "200 a page\n", "a pointer that is no text"},
		{"context", "200 a page\n", ""},
		{"thread", "200 a page\n", ""},
	} {
		t.Run(c.do, func(t *testing.T) {
			s := hostile(t)
			a := s.do("GET", "/file/page.txt", "X-Do: "+c.do)
			res := s.result(1)
			if a.String() != c.answer {
				t.Errorf("answer is %q, want %q", a, c.answer)
			}
			switch {
			case c.fault == "" && (len(s.faults) > 0 || res.Fault != nil || res.Log != nil):
				t.Errorf("faults %v, %v, log %v", s.faults, res.Fault, res.Log)
			case c.fault != "" && (len(s.faults) != 1 || !strings.Contains(s.faults[0].Error(), c.fault) || res.Fault == nil):
				t.Errorf("faults %v, %v; want %s", s.faults, res.Fault, c.fault)
			}
			if a := s.do("GET", "/file/page.txt"); a.String() != "200 a page\n" {
				t.Errorf("the next request is answered %q", a)
			}
		})
	}
}

// TestLate: whoever calls with a context of an earlier notification, or of a connection that has ended, is refused.
func TestLate(t *testing.T) {
	s := hostile(t)
	refused := "get=87 set=87 add=87 variable=87 write=87 response=87 support=87 alloc=87 null=87 invented=87"
	s.do("GET", "/file/page.txt", "X-Do: keep")
	s.srv.Client().CloseIdleConnections()
	s.result(1)
	if a := s.do("GET", "/nowhere", "X-Do: late"); strings.ReplaceAll(strings.TrimSpace(a.body), "alloc=8 ", "alloc=87 ") != refused {
		t.Errorf("of another connection: %s", a.body)
	}
}

// TestAllocLimit: AllocMem gives 64 MiB for a connection, zeroed, and then says that there is none.
func TestAllocLimit(t *testing.T) {
	s := hostile(t)
	if a := s.do("GET", "/nowhere", "X-Do: alloc"); strings.TrimSpace(a.body) != "all=64 error=8" {
		t.Errorf("got %s", a.body)
	}
	if a := s.do("GET", "/nowhere", "X-Do: grow"); strings.TrimSpace(a.body) != "error=8 enough=1" {
		t.Errorf("headers grow: %s", a.body)
	}
}

// TestAllocEnds: a connection that a filter has got much memory for ends with a response, rather than that there is none left.
func TestAllocEnds(t *testing.T) {
	s := hostile(t)
	if a := s.do("GET", "/file/page.txt"); a.Close || a.StatusCode != 200 {
		t.Errorf("%s, closed: %v", a, a.Close)
	}
	if a := s.do("GET", "/nowhere", "X-Do: alloc"); !a.Close {
		t.Errorf("%s, closed: %v", a, a.Close)
	}
	if a := s.do("GET", "/file/page.txt"); a.Close || a.StatusCode != 200 {
		t.Errorf("%s, closed: %v", a, a.Close)
	}
}

// TestLongEnd: a filter that does not return from END_OF_NET_SESSION is told of, once.
func TestLongEnd(t *testing.T) {
	s := start(t)
	told := make(chan string, 10)
	s.chain = []filter.Member{{Filter: s.load(traceFilter(t), func(c *filter.Config) {
		c.Log, c.LongEnd = slog.New(slog.NewTextHandler(lines(told), nil)), time.Millisecond
	})}}
	for range 2 {
		if a := s.do("GET", "/file/page.txt", "X-Do: END_OF_NET_SESSION=sleep:100", "Connection: close"); a.StatusCode != 200 {
			t.Error(a)
		}
		s.lastEvents("END_OF_NET_SESSION")
	}
	if line := <-told; !strings.Contains(line, "does not return from SF_NOTIFY_END_OF_NET_SESSION") {
		t.Errorf("told: %s", line)
	}
	s.stop()
	select {
	case line := <-told:
		t.Errorf("told once more: %s", line)
	default:
	}
}

// lines passes on what is written, line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// TestCrash: a crash costs the request it happens in, unless that was answered, and nothing else.
func TestCrash(t *testing.T) {
	for event, answer := range map[string]string{
		"PREPROC_HEADERS": "500 page 500.0", "URL_MAP": "500 page 500.0", "AUTHENTICATION": "500 page 500.0", "AUTH_COMPLETE": "500 page 500.0",
		"SEND_RESPONSE": "500 page 500.0", "ACCESS_DENIED": "500 page 500.0", "END_OF_REQUEST": "403 page 403.0", "LOG": "403 page 403.0",
	} {
		t.Run(event, func(t *testing.T) {
			s := start(t)
			s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
			a := s.do("GET", "/error/403", "X-Do: "+event+"=crash")
			if res := s.result(1); a.String() != answer || res.Fault == nil || len(s.faults) != 1 || !strings.Contains(s.log.String(), segv) {
				t.Errorf("answer %q, want %q; fault %v; told of %v", a, answer, res.Fault, s.faults)
			}
			if a := s.do("GET", "/file/page.txt"); a.String() != "200 a page\n" {
				t.Errorf("the next request is answered %q", a)
			}
		})
	}
	t.Run("END_OF_NET_SESSION", func(t *testing.T) {
		s := start(t)
		s.chain = []filter.Member{{Filter: s.load(traceFilter(t), nil)}}
		s.do("GET", "/file/page.txt", "X-Do: END_OF_NET_SESSION=crash")
		s.stop()
		s.lastEvents("END_OF_NET_SESSION")
	})
	t.Run("mapping of an extension", func(t *testing.T) {
		s := start(t)
		s.host.ext, s.host.unmapped = "ext.so", true
		s.chain = []filter.Member{{Filter: s.load(named(t, "a", "SF_NOTIFY_URL_MAP", ""), nil)}}
		a := s.do("GET", "/map/a", "X-Do: URL_MAP=crash")
		if res := s.result(1); a.String() != "500 page 500.0" || res.Fault == nil {
			t.Errorf("answer %q, fault %v", a, res.Fault)
		}
		s.srv.Client().CloseIdleConnections()
		for do, want := range map[string]string{
			"path:/x": "200 /x <nil>", "error:5": `200 /a a filter does not let "/a" be mapped: ERROR_ACCESS_DENIED (5)`,
			"finished": "200 /a a filter has ended the request", "page:mine": "200 mine",
		} {
			if a := s.do("GET", "/map/a", "X-Do: URL_MAP="+do); a.String() != want {
				t.Errorf("%s: answer %q, want %q", do, a, want)
			}
			s.srv.Client().CloseIdleConnections()
		}
	})
}
