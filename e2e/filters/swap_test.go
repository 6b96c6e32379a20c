package filters

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testwait"
)

// A filter is replaced by NAME.update again and again, under load: no request is lost, none goes through two versions, and a version is not
// handed what another one kept for a connection.
func TestSwap(t *testing.T) {
	const swaps = 8
	var builds [2]string
	for i := range builds {
		builds[i] = testext.Fixture(t, "filter_swapver", fmt.Sprintf("-DVERSION=%d", i+1))
	}
	each(t, func(t *testing.T, mode config.PoolMode) {
		image := filepath.Join(t.TempDir(), "guard.so")
		served.Copy(t, builds[0], image)
		s := start(t, layout{mode: mode, app: []string{image}, handlers: extensions, images: images(t, mode)})
		load := s.load(t)
		for n := range swaps {
			version := 2 - n%2
			before := s.receipt(image)
			seen := load.of(version)
			served.Copy(t, builds[version-1], strings.TrimSuffix(image, ".so")+".update")
			var r swap.Receipt
			testwait.Until(t, "the receipt of a swap", func() bool {
				r = s.receipt(image)
				return r.ID != before.ID && r.Outcome != swap.Running
			})
			if r.Outcome != swap.Committed || r.Lost != 0 {
				t.Fatalf("swap %d: %s, %s, %d lost", n+1, r.Outcome, r.Reason, r.Lost)
			}
			if want := fmt.Sprintf("swapver %d", version); r.To.Description != want {
				t.Errorf("the receipt is for %q, want %q", r.To.Description, want)
			}
			testwait.Until(t, "answers of the new version", func() bool { return load.of(version) > seen+20 || load.failed() })
		}
		load.stop()
		t.Logf("%d requests, %d by version 1, %d by version 2", load.requests.Load(), load.of(1), load.of(2))
		for _, problem := range load.problems {
			t.Error(problem)
		}
	})
}

func (s *server) receipt(image string) swap.Receipt {
	for _, i := range s.control.Status().Images {
		if i.Image == image && i.Last != nil {
			return *i.Last
		}
	}
	return swap.Receipt{}
}

// crowd is clients that ask without a pause: on connections that stay, and on such that do not.
type crowd struct {
	requests atomic.Int64
	answered [3]atomic.Int64 // by version
	running  sync.WaitGroup
	ending   atomic.Bool

	mu       sync.Mutex
	problems []string
}

func (s *server) load(t *testing.T) *crowd {
	t.Helper()
	l := &crowd{}
	for i := range 4 {
		l.running.Go(func() {
			for n := 0; !l.ending.Load() && !l.failed(); n++ {
				l.connection(s.addr, 1+i%2*30, n)
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

func (l *crowd) stop() {
	l.ending.Store(true)
	l.running.Wait()
}

func (l *crowd) of(version int) int64 { return l.answered[version].Load() }

func (l *crowd) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.problems) > 5
}

func (l *crowd) problem(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// connection makes n requests.
func (l *crowd) connection(addr string, n, round int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		l.problem("%v", err)
		return
	}
	defer conn.Close()
	c := newClient(conn)
	for i := range n {
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		url, body := "/page.txt", "hello\n"
		if (round+i)%3 == 0 {
			url, body = "/play/x?header=Content-Type:text/plain%0d%0aContent-Length:2%0d%0a%0d%0a&ex=&write=hi", "hi"
		}
		l.requests.Add(1)
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", url); err != nil {
			l.problem("request %d of a connection: %v", i+1, err)
			return
		}
		res, err := c.read("GET")
		if err != nil {
			l.problem("request %d of a connection: %v", i+1, err)
			return
		}
		version := res.Header.Get("X-Filter")
		if res.StatusCode != 200 || res.body != body || version == "" || version != res.Header.Get("X-Begun") {
			l.problem("request %d of a connection, %s: %s %v %q", i+1, url, res.line, res.Header, res.body)
			return
		}
		l.answered[version[0]-'0'].Add(1)
	}
}
