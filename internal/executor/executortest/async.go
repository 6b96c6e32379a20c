package executortest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testwait"
)

// testAsync: one callback for each operation, with fixture async.c. ReadAhead is off, so that a read waits for the client.
func testAsync(t *testing.T, s *suite) {
	for _, threads := range []int{25, 1} {
		t.Run(fmt.Sprintf("threads %d", threads), func(t *testing.T) {
			srv := s.serve(t, "async", executor.Options{Threads: threads, ReadAhead: -1})
			asyncChains(t, srv)
			asyncRules(t, srv)
			asyncBroken(t, srv)
		})
	}
	t.Run("wait inside", func(t *testing.T) {
		srv := s.serve(t, "async", executor.Options{})
		srv.get("wait")
		if got := srv.result(0).LogData; got != "16:0" {
			t.Errorf("completion while HttpExtensionProc waits for it: got %q, want 16:0", got)
		}
	})
	t.Run("all wait inside", func(t *testing.T) {
		srv := s.serve(t, "async", executor.Options{Threads: 2, Stack: 1 << 20}) // threads of its own
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, err := srv.try("GET", "/?wait&with=2", nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i := range 2 {
			if got := srv.result(i).LogData; got != "16:0" {
				t.Errorf("got %q, want 16:0", got)
			}
		}
	})
	t.Run("TLS", func(t *testing.T) {
		srv := s.serveTLS(t, "async", executor.Options{ReadAhead: -1})
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			if res := srv.over(proto, "GET", "/?writes&n=100", ""); res.Body != strings.Repeat("x", 1000) {
				t.Errorf("%s: got %d bytes, want 1000", proto, len(res.Body))
			}
			if res := srv.over(proto, "POST", "/?reads&n=10", strings.Repeat("y", 1000)); !strings.HasPrefix(res.Body, "1000 in ") {
				t.Errorf("%s: got %q, want 1000 bytes read", proto, res.Body)
			}
		}
	})
}

// asyncChains: each operation is started in the callback of the one before, without end.
func asyncChains(t *testing.T, srv *server) {
	const n = 10_000
	t.Run("writes", func(t *testing.T) {
		first := srv.count()
		if res := srv.get(fmt.Sprintf("writes&n=%d", n)); res.Body != strings.Repeat("x", 10*n) {
			t.Errorf("got %d bytes, want %d", len(res.Body), 10*n)
		}
		if got, want := srv.result(first).LogData, fmt.Sprintf("%d:0 after %d", 10*n, n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("reads", func(t *testing.T) {
		var total, reads int
		first := srv.count()
		res := srv.do("POST", "/?reads&n=8", strings.NewReader(strings.Repeat("y", 8*n)))
		if _, err := fmt.Sscanf(res.Body, "%d in %d", &total, &reads); err != nil || total != 8*n || reads <= n {
			t.Errorf("got %q, want %d bytes in more than %d reads", res.Body, 8*n, n)
		}
		if got := srv.result(first).LogData; got != "0:0" {
			t.Errorf("end of the body: got %q, want 0:0", got)
		}
	})
	t.Run("chunked", func(t *testing.T) {
		first := srv.count()
		res := srv.do("POST", "/?reads&n=8", io.MultiReader(strings.NewReader("abc"), strings.NewReader("defghij")))
		if !strings.HasPrefix(res.Body, "10 in ") {
			t.Errorf("got %q, want 10 bytes", res.Body)
		}
		srv.result(first) // or it would come to whoever counts next
	})
}

func asyncRules(t *testing.T, srv *server) {
	tests := []struct{ name, query, body, log string }{
		{"zero bytes", "zero", "", "0:0 after 1"},
		{"callback replaced and off", "replace", strings.Repeat("x", 16), "16:0 0 87 87"},
		{"custom error", "error", "error page 404.5", "17:0"},
		{"own thread", "thread&n=10", strings.Repeat("x", 100), "100:0 after 10"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			first := srv.count()
			if test.name == "custom error" {
				test.log = fmt.Sprintf("%d:0", len(test.body))
			}
			if res := srv.get(test.query); res.Body != test.body {
				t.Errorf("body %q, want %q", res.Body, test.body)
			}
			if got := srv.result(first).LogData; strings.TrimSpace(got) != test.log {
				t.Errorf("got %q, want %q", got, test.log)
			}
		})
	}
	t.Run("two outstanding", func(t *testing.T) {
		c, told := srv.post(t, "two")
		told("87 87")
		sendAll(t, c, "0123456789")
		if got := rest(c); !strings.HasSuffix(got, "\r\n\r\n10 in 2") {
			t.Errorf("got %q, want 10 bytes in two reads", got)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		c, told := srv.post(t, "cancel")
		told("0:995")
		sendAll(t, c, "0123456789")
		if got := rest(c); !strings.HasSuffix(got, "\r\n\r\n10 in 2") {
			t.Errorf("got %q, want that the extension could read on", got)
		}
	})
	t.Run("done while a read is pending", func(t *testing.T) {
		c, told := srv.post(t, "leave")
		told("0:995")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != "left" || err != nil {
			t.Errorf("got %q, %v, want the response", body, err)
		}
		c.Close()
	})
	t.Run("fault in the callback", func(t *testing.T) {
		c, _ := srv.post(t, "fault")
		sendAll(t, c, "0123456789")
		if got := rest(c); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
			t.Errorf("got %q, want 500", got)
		}
		if res := srv.get("zero"); res.StatusCode != 200 {
			t.Errorf("next request: %s", res.Status)
		}
	})
}

// asyncBroken: the connection ends while an operation is pending.
func asyncBroken(t *testing.T, srv *server) {
	t.Run("close connection", func(t *testing.T) {
		c, told := srv.post(t, "close")
		told("0:64")
		if got := rest(c); !strings.Contains(got, "written before") {
			t.Errorf("got %q, want what was written before", got)
		}
	})
	t.Run("client leaves a read", func(t *testing.T) {
		c, told := srv.post(t, "reads&n=16")
		sendAll(t, c, "012")
		c.Close()
		told("0:995")
	})
	t.Run("client resets a write", func(t *testing.T) {
		c, told := srv.post(t, fmt.Sprintf("big&n=%d", 64<<20))
		if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
		told("0:995 after 1")
	})
	t.Run("not connected", func(t *testing.T) {
		c, told := srv.post(t, "connected")
		if _, err := io.ReadFull(c, make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
		c.Close()
		told("0 64")
	})
}

// count is how many requests have finished so far.
func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.results)
}

// post sends the head of a request with a body of 10 bytes. told waits until the fixture has written that text.
func (s *server) post(t *testing.T, query string) (c net.Conn, told func(string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "told")
	c = s.dial()
	t.Cleanup(func() { c.Close() })
	sendAll(t, c, "POST /?"+query+"&told="+url.QueryEscape(file)+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\n")
	return c, func(want string) {
		t.Helper()
		var got []byte
		testwait.Until(t, fmt.Sprintf("%q in the fixture's file", want), func() bool {
			got, _ = os.ReadFile(file)
			return len(got) >= len(want)
		})
		if strings.TrimSpace(string(got)) != want {
			t.Errorf("the fixture tells %q, want %q", got, want)
		}
	}
}

func sendAll(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// rest is all that still comes.
func rest(c net.Conn) string {
	b, _ := io.ReadAll(c)
	return string(b)
}
