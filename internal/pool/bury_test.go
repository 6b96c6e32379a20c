//go:build linux

package pool_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/obituary"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/trace"
)

// graveyard has a pool's dead buried in a folder of the test.
func graveyard(t *testing.T, set *pool.Settings) (find func(kind obituary.Kind) *obituary.Report) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "crashes")
	book := obituary.Open(obituary.Settings{Directory: dir})
	t.Cleanup(book.Close)
	set.Buried = book.Bury
	return func(kind obituary.Kind) *obituary.Report {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			list, err := obituary.List(dir)
			if err != nil {
				t.Fatal(err)
			}
			if i := slices.IndexFunc(list, func(s obituary.Summary) bool { return s.Kind == kind }); i >= 0 {
				r, err := obituary.Read(dir, list[i].ID)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
		}
		t.Fatalf("there is no obituary of a %s", kind)
		return nil
	}
}

// TestObituaryOfFault: a fault that a worker contains leaves a file that says where it was, and what was going on.
func TestObituaryOfFault(t *testing.T) {
	var set pool.Settings
	find := graveyard(t, &set)
	r := start(t, set)
	r.must("pid")
	if a := r.do("GET", "segv"); a.status != http.StatusInternalServerError {
		t.Fatalf("the fault is answered %v", a)
	}
	o := find(obituary.Fault)
	c := o.Crash
	if c == nil || c.Signal != "SIGSEGV" || !strings.Contains(c.Image, "process") || c.Offset == "" || len(c.Stack) == 0 || !strings.Contains(c.Symbol, "HttpExtensionProc") && len(c.Stack) < 2 {
		t.Errorf("the fault is %+v", c)
	}
	if o.Worker != "shop/1" || o.Generation != 1 || o.Pid == 0 || o.Memory == nil || o.Memory.Resident == 0 || len(o.Done) == 0 || !strings.HasSuffix(o.Image, "process.so") {
		t.Errorf("the obituary is %+v", o)
	}
	if len(o.Images) != 1 || o.Images[0].Path != o.Image {
		t.Errorf("images: %+v", o.Images)
	}
	if o.Hand == nil || o.Hand.Method != "GET" || !strings.HasSuffix(o.Hand.URL, "?segv") {
		t.Errorf("the request in hand is %+v", o.Hand)
	}
	if !r.log.has("fault has an obituary") {
		t.Error("the log does not name it")
	}
}

// TestObituaryOfDeath: kill -9 leaves a file with the requests that were inside and the calls their threads were in.
func TestObituaryOfDeath(t *testing.T) {
	var set pool.Settings
	find := graveyard(t, &set)
	r := start(t, set)
	pid := r.must("pid")
	if a := r.do("POST", "kill"); a.status != http.StatusBadGateway { // it kills itself
		t.Errorf("the request is answered %v", a)
	}
	o := find(obituary.Death)
	if o.Pid != pid || !strings.Contains(o.How, "SIGKILL") || o.Lost != 1 || o.Crash != nil || !strings.HasSuffix(o.Image, "process.so") {
		t.Errorf("the obituary is %+v", o)
	}
	if len(o.Hung) != 0 { // those that were answered did not hang
		t.Errorf("requests that hung: %+v", o.Hung)
	}
	if len(o.InFlight) != 1 || o.Hand == nil || o.Hand.Method != "POST" || !strings.Contains(o.Hand.URL, "kill") {
		t.Errorf("requests: %+v, in hand %+v", o.InFlight, o.Hand)
	}
	inside := func(th obituary.Thread) bool {
		return slices.ContainsFunc(th.Open, func(c obituary.Call) bool { return c.Name == trace.HttpExtensionProc.String() && c.Running })
	}
	if !slices.ContainsFunc(o.Threads, inside) {
		t.Errorf("no thread was inside of HttpExtensionProc: %+v", o.Threads)
	}
	if !slices.ContainsFunc(o.Done, func(s string) bool { return strings.Contains(s, "another worker") }) {
		t.Errorf("what was done: %q", o.Done)
	}
	s := r.until("the status names it", func(s pool.Status) bool { return len(s.Deaths) > 0 })
	if s.Deaths[0].Obituary != o.ID {
		t.Errorf("the status says %+v", s.Deaths[0])
	}
}

// TestObituaryOfHang: a worker that is killed because a request never returned leaves a file that says which.
func TestObituaryOfHang(t *testing.T) {
	set := pool.Settings{RequestTimeout: 100 * time.Millisecond, Shutdown: 100 * time.Millisecond}
	find := graveyard(t, &set)
	r := start(t, set)
	if a := r.do("GET", "hang"); a.status != http.StatusGatewayTimeout {
		t.Errorf("the request is answered %v", a)
	}
	o := find(obituary.Death)
	if len(o.Hung) != 1 || !strings.HasSuffix(o.Hung[0].URL, "?hang") || o.Hung[0].Client == "" {
		t.Errorf("requests that hung: %+v", o.Hung)
	}
	s := o.Summary()
	if text := s.Text(); !strings.Contains(text, "SIGKILL") || !strings.Contains(text, "did not stop in time") || !strings.Contains(text, "1 requests hung") {
		t.Errorf("in a line: %s", text)
	}
	var all strings.Builder
	if o.Print(&all); !strings.Contains(all.String(), "?hang (for ") {
		t.Errorf("no word of it in\n%s", &all)
	}
}

// TestNoObituary: workers that end as they should leave none, and one that nobody keeps does no harm.
func TestNoObituary(t *testing.T) {
	var mu sync.Mutex
	buried := 0
	set := pool.Settings{Buried: func(*obituary.Report) string {
		mu.Lock()
		defer mu.Unlock()
		buried++
		return ""
	}}
	r := start(t, set)
	first := r.must("pid")
	r.pool.Recycle("test")
	r.until("the old worker is gone", func(s pool.Status) bool { return s.Generation == 2 && len(s.Workers) == 1 && s.Workers[0].Pid != first })
	mu.Lock()
	n := buried
	mu.Unlock()
	if n != 0 {
		t.Errorf("%d were buried", n)
	}
	if err := syscall.Kill(r.must("pid"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.until("it is remembered", func(s pool.Status) bool {
		return slices.ContainsFunc(s.Deaths, func(d pool.Death) bool { return !d.Expected })
	})
}
