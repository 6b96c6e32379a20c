package filters

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
)

// pFilterContext and END_OF_NET_SESSION for connections of every kind.
func TestConnections(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, named("a", "-DEVENTS=(SF_NOTIFY_PREPROC_HEADERS|SF_NOTIFY_END_OF_NET_SESSION)"))})
		one, two := s.dial(), s.dial()
		one.ask("GET /page.txt?1")
		two.ask("GET /page.txt?2")
		one.ask("GET /page.txt?3")
		two.ask("GET /page.txt?4")
		one.Close()
		s.untilTrace("END_OF_NET_SESSION", 1)
		two.Close()
		wantTrace(t, s.untilTrace("END_OF_NET_SESSION", 2), `
			a#1 PREPROC_HEADERS GET /page.txt?1
			a#2 PREPROC_HEADERS GET /page.txt?2
			a#1 PREPROC_HEADERS GET /page.txt?3
			a#2 PREPROC_HEADERS GET /page.txt?4
			a#1 END_OF_NET_SESSION
			a#2 END_OF_NET_SESSION`)
		c := s.dial() // the server's end ends it, too
		c.ask("GET /page.txt?5")
		s.stop()
		s.untilTrace("a#3 END_OF_NET_SESSION", 1)
		if n := strings.Count(s.read("trace"), "END_OF_NET_SESSION"); n != 3 {
			t.Errorf("%d sessions ended, want 3", n)
		}
	})
}

// A stream of HTTP/2 is a connection of its own.
func TestHTTP2(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, tls: true, app: filters(t, mode, named("a")), handlers: extensions, images: images(t, mode)})
		tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: insecure()}
		defer tr.CloseIdleConnections()
		for n := 1; n <= 3; n++ {
			req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/page.txt", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.ProtoMajor != 2 || string(body) != "hello\n" {
				t.Fatalf("got %s %q, %v", res.Proto, body, err)
			}
			s.untilTrace("END_OF_NET_SESSION", n)
		}
		var want strings.Builder
		for n := 1; n <= 3; n++ {
			fmt.Fprintf(&want, `
				a#%[1]d PREPROC_HEADERS GET /page.txt
				a#%[1]d URL_MAP /page.txt to ROOT/page.txt
				a#%[1]d AUTHENTICATION "" ""
				a#%[1]d AUTH_COMPLETE ""
				a#%[1]d SEND_RESPONSE HTTP/1.1 200 OK
				a#%[1]d END_OF_REQUEST
				a#%[1]d LOG GET /page.txt? "-" 200
				a#%[1]d END_OF_NET_SESSION`, n)
		}
		wantTrace(t, s.trace(), want.String())
	})
}

// A client that hangs up costs nobody anything, and all ends come.
func TestHangUp(t *testing.T) {
	each(t, func(t *testing.T, mode config.PoolMode) {
		for name, request := range map[string]string{
			"file":      text("GET /long.txt"),
			"extension": text("GET /play/x?write=hi&wait=DIR/go&write=more"),
			"body":      "POST /play/x?write=hi HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 200_000),
			"filter":    text("GET /page.txt", do("PREPROC_HEADERS=sleep:200")),
		} {
			t.Run(name, func(t *testing.T) {
				s := start(t, layout{mode: mode, app: filters(t, mode, named("a")), handlers: extensions, images: images(t, mode)})
				c := s.dial()
				c.send(strings.ReplaceAll(request, "DIR", strings.ReplaceAll(s.dir, "/", "%2f")))
				s.untilTrace("PREPROC_HEADERS", 1)
				_ = c.Conn.(*net.TCPConn).SetLinger(0)
				c.Close()
				served.Write(t, s.dir+"/go", "")
				lines := s.untilTrace("END_OF_NET_SESSION", 1)
				var ends []string
				for _, line := range lines {
					for _, event := range []string{"END_OF_REQUEST", "LOG", "END_OF_NET_SESSION"} {
						if strings.HasPrefix(line, "a#1 "+event) {
							ends = append(ends, event)
						}
					}
				}
				if got := strings.Join(ends, " "); got != "END_OF_REQUEST LOG END_OF_NET_SESSION" {
					t.Errorf("the ends are %s", got)
				}
				s.get("/page.txt").want(t, 200, "hello\n")
			})
		}
	})
}

// What AllocMem gave stays as it is until the connection ends, and is zero at first.
func TestMemory(t *testing.T) {
	everywhere(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_alloc"))})
		c := s.dial()
		for n := 1; n <= 50; n++ {
			c.ask("GET /page.txt").wantHeader(t, "X-Alloc", fmt.Sprintf("ok %d", 3*n))
		}
		s.get("/page.txt").wantHeader(t, "X-Alloc", "ok 3")
	})
}

// Memory does not grow with the number of requests, whether each has a connection of its own or twenty share one. With ISAPID_SOAK set it
// is a million requests.
func TestMemoryIsFlat(t *testing.T) {
	requests := 20_000
	if os.Getenv("ISAPID_SOAK") != "" {
		requests = 1_000_000
	}
	each(t, func(t *testing.T, mode config.PoolMode) {
		s := start(t, layout{mode: mode, app: filters(t, mode, built("filter_alloc"), built("filter_noop", "-DEVENTS=(SF_NOTIFY_URL_MAP|SF_NOTIFY_AUTH_COMPLETE)"))})
		begin := 0
		for i := range 11 {
			s.crowd(t, requests/11)
			used := s.memory(t)
			if i == 1 { // everything there is has been used
				begin = used
			}
			t.Logf("after %d requests: %d KiB", (i+1)*(requests/11), used>>10)
			if limit := begin + 16<<20; i > 1 && used > limit && !racing {
				t.Fatalf("%d KiB are in use after %d requests, %d KiB after %d", used>>10, (i+1)*(requests/11), begin>>10, 2*(requests/11))
			}
		}
	})
}

// crowd asks so many times, from four clients: connections with one request and with twenty.
func (s *server) crowd(t *testing.T, requests int) {
	t.Helper()
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() {
			each := 1
			if i%2 == 0 {
				each = 20
			}
			for n := 0; n < requests/4; n += each {
				if err := s.burst(each); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// burst makes n requests on one connection.
func (s *server) burst(n int) error {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	for i := 1; i <= n; i++ {
		ask := "GET /page.txt HTTP/1.1\r\nHost: x\r\n\r\n"
		if i == n {
			ask = "GET /page.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		}
		if _, err := io.WriteString(conn, ask); err != nil {
			return err
		}
		buf, got := make([]byte, 4096), ""
		for !strings.HasSuffix(got, "\r\n\r\nhello\n") {
			k, err := conn.Read(buf)
			got += string(buf[:k])
			if err != nil {
				return fmt.Errorf("request %d of %d: %w: %q", i, n, err, got)
			}
		}
		if want := fmt.Sprintf("X-Alloc: ok %d\r\n", 3*i); !strings.Contains(got, want) {
			return fmt.Errorf("request %d of %d: no %q in %q", i, n, want, got)
		}
	}
	return nil
}

// memory is what the processes of the server have in memory, in bytes.
func (s *server) memory(t *testing.T) (bytes int) {
	t.Helper()
	for _, pid := range s.processes(t) {
		bytes += resident(t, pid)
	}
	return bytes
}
