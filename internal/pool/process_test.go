//go:build linux

package pool_test

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
)

// TestLostInside: what a request gets whose worker is killed while it is inside.
func TestLostInside(t *testing.T) {
	set := mortal(1)
	set.Idempotent = []string{"PUT"}
	r := start(t, set)
	r.must("pid")
	query := "hold=" + r.file("gate")
	get, put, post := r.later("GET", query), r.later("PUT", query), r.later("POST", query)
	r.inFlight(3)
	old := r.pids()[0]
	_ = syscall.Kill(old, syscall.SIGKILL)
	if a := <-post; a.status != 502 {
		t.Errorf("POST: %v", a)
	} else {
		r.logged("request lost with its worker", a.header.Get("X-Request-Id"), "SIGKILL")
	}
	r.touch("gate")
	if a := <-get; a.status != 200 || a.text == strconv.Itoa(old) {
		t.Errorf("GET: %v", a)
	}
	if a := <-put; a.status != 200 || !strings.HasSuffix(a.text, " another") || strings.HasPrefix(a.text, strconv.Itoa(old)) {
		t.Errorf("PUT: %v", a)
	}
	r.logged("worker died", "pid="+strconv.Itoa(old), "SIGKILL", "lost requests=3")
	if st := r.pool.Status(); len(st.Deaths) != 1 || st.Deaths[0].Lost != 3 || st.Deaths[0].Pid != old {
		t.Errorf("%+v", st.Deaths)
	}
}

// TestRecycleUnderLoad: generations follow each other while requests that must not run twice go on; not one fails.
func TestRecycleUnderLoad(t *testing.T) {
	for name, set := range map[string]pool.Settings{
		"overlap":    {Workers: 2},
		"no overlap": {Recycle: pool.Recycle{NoOverlap: true}},
		"requests":   {Recycle: pool.Recycle{Requests: 50}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, set)
			l := r.load("POST", 6)
			for n := 2; n <= 6; n++ {
				if set.Recycle.Requests == 0 {
					r.pool.Recycle("test")
				}
				r.until("the next generation", func(st pool.Status) bool { return st.Generation >= n })
				before := l.count()
				r.until("more answers", func(pool.Status) bool { return l.count() > before+10 })
			}
			l.end()
			if len(l.bad) > 0 {
				t.Errorf("%d of %d requests failed: %v …", len(l.bad), l.good, l.bad[0])
			}
			if len(l.servers) < 5 {
				t.Errorf("only %d processes served", len(l.servers))
			}
			if st := r.pool.Status(); st.Totals.Crashes > 0 {
				t.Errorf("%+v", st.Deaths)
			}
		})
	}
}

// TestDegraded: workers die at their start until somebody repairs what is wrong; the pool finds out by itself.
func TestDegraded(t *testing.T) {
	r := start(t, pool.Settings{Crashes: pool.Crashes{Max: 3, Backoff: time.Millisecond, Retry: 50 * time.Millisecond, RetryMax: 100 * time.Millisecond}})
	r.touch("sick")
	r.do("POST", "kill")
	r.until("degraded", func(st pool.Status) bool { return st.State == pool.StateDegraded })
	a := r.do("GET", "pid")
	if after, err := strconv.Atoi(a.header.Get("Retry-After")); a.status != 503 || err != nil || after < 1 {
		t.Errorf("degraded: %v, %v", a, a.header)
	}
	r.logged("pool is degraded", "crashes=4")
	r.logged("worker died", "SIGKILL")
	if err := os.Remove(r.file("sick")); err != nil {
		t.Fatal(err)
	}
	r.until("a try is ready", func(st pool.Status) bool { return len(st.Workers) == 1 && st.Workers[0].State == "ready" })
	r.must("pid")
	r.until("running", settled(1))
	r.logged("pool has recovered")
}

// TestBadGeneration: the old generation serves while the new one cannot start.
func TestBadGeneration(t *testing.T) {
	r := start(t, pool.Settings{Crashes: pool.Crashes{Retry: 20 * time.Millisecond, RetryMax: 50 * time.Millisecond}})
	old := r.must("pid")
	r.touch("sick")
	r.pool.Recycle("test")
	r.until("failed", func(st pool.Status) bool { return st.Rollout != nil && st.Rollout.Failures > 1 })
	if pid := r.must("pid"); pid != old {
		t.Errorf("served by %d, want %d", pid, old)
	}
	r.logged("new generation did not come up: the old one serves on", "SIGKILL")
	if err := os.Remove(r.file("sick")); err != nil {
		t.Fatal(err)
	}
	r.until("recycled", settled(1))
	r.until("served by another", func(pool.Status) bool { return r.must("pid") != old })
}

func TestFaultReplaces(t *testing.T) {
	r := start(t, pool.Settings{})
	old := r.must("pid")
	slow := r.later("GET", "hold="+r.file("gate"))
	r.inFlight(1)
	if a := r.do("POST", "segv"); a.status != 500 {
		t.Errorf("the request that faulted: %v", a)
	}
	if pid := r.must("pid"); pid == old {
		t.Error("the worker with the fault served on")
	}
	r.touch("gate")
	if a := <-slow; a.text != strconv.Itoa(old) {
		t.Errorf("the request beside it: %v", a)
	}
	r.until("settled", settled(1))
	if st := r.pool.Status(); st.Totals.Faults != 1 || st.Crashes != 0 {
		t.Errorf("%+v", st)
	}
	r.logged("worker retires", "SIGSEGV")
}

func TestRequestTimeout(t *testing.T) {
	r := start(t, pool.Settings{RequestTimeout: 300 * time.Millisecond, Shutdown: 10 * time.Second})
	old := r.must("pid")
	if a := r.do("GET", "hang"); a.status != 504 {
		t.Errorf("the request that hangs: %v", a)
	}
	if pid := r.must("pid"); pid == old {
		t.Error("the worker that hangs served on")
	}
	r.until("settled", settled(1))
	if st := r.pool.Status(); st.Crashes != 0 {
		t.Errorf("%+v", st)
	}
}

func TestPingFindsHang(t *testing.T) {
	r := start(t, pool.Settings{Executor: executor.Options{Threads: 2}, Ping: 50 * time.Millisecond, PingTimeout: time.Second})
	old := r.must("pid")
	r.until("a ping was answered", func(st pool.Status) bool { return st.Workers[0].LastPing != nil })
	a, b := r.later("POST", "hang"), r.later("POST", "hang")
	if x, y := <-a, <-b; x.status != 502 || y.status != 502 {
		t.Errorf("requests that hang: %v, %v", x, y)
	}
	if pid := r.must("pid"); pid == old {
		t.Error("the worker that hangs served on")
	}
	r.logged("worker has failed: it is killed", "no thread of", "/process.so?hang")
	if st := r.pool.Status(); st.Crashes != 1 {
		t.Errorf("%+v", st)
	}
}

// TestOrphan: a worker that failed is kept, stopped, for the action and for a debugger; there are not too many.
func TestOrphan(t *testing.T) {
	r := start(t, pool.Settings{
		Executor: executor.Options{Threads: 1}, Ping: 50 * time.Millisecond, PingTimeout: 2 * time.Second, // the good worker answers in time, too
		Crashes: pool.Crashes{Max: -1},
		Orphan:  pool.Orphan{Enabled: true, Max: 1, Action: []string{"/bin/sh", "-c", "grep State /proc/%pid%/status; echo %pool%: '%reason%'"}},
	})
	var orphans []int
	for range 2 {
		orphans = append(orphans, r.must("pid"))
		r.later("POST", "hang")
		r.until("orphaned", func(st pool.Status) bool {
			return slices.ContainsFunc(st.Workers, func(w pool.WorkerStatus) bool { return w.Pid == orphans[len(orphans)-1] && w.State == "orphan" })
		})
	}
	r.until("one is kept", func(st pool.Status) bool {
		return len(st.Workers) == 2 && st.Workers[0].Pid == orphans[1] && st.Workers[1].State == "ready"
	})
	r.must("pid")
	for end := time.Now().Add(30 * time.Second); !r.log.has("action for an orphan ended", "T (stopped)", "shop: no thread of", strconv.Itoa(orphans[1])); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.logged("action for an orphan ended", "T (stopped)", "shop: no thread of")
			break
		}
	}
	r.logged("orphan is killed: there are too many", strconv.Itoa(orphans[0]))
}

func TestUnhealthy(t *testing.T) {
	r := start(t, pool.Settings{})
	old := r.must("unhealthy")
	st := r.until("recycled", func(st pool.Status) bool { return st.Generation == 2 && settled(1)(st) })
	if !strings.Contains(st.Because, "tired") {
		t.Errorf("because %q", st.Because)
	}
	if pid := r.must("pid"); pid == old {
		t.Error("the unhealthy worker served on")
	}
	if _, err := os.Stat(r.file("ended")); err != nil {
		t.Errorf("TerminateExtension was not called: %v", err)
	}
}

func TestOnDemand(t *testing.T) {
	r := start(t, pool.Settings{OnDemand: true, Idle: 200 * time.Millisecond})
	if st := r.pool.Status(); st.State != pool.StateIdle || len(st.Workers) != 0 {
		t.Errorf("before the first request: %+v", st)
	}
	first := r.must("pid")
	r.until("idle", func(st pool.Status) bool { return st.State == pool.StateIdle && len(st.Workers) == 0 })
	if second := r.must("pid"); second == first {
		t.Error("the worker was not stopped")
	}
	if _, err := os.Stat(r.file("ended")); err != nil {
		t.Errorf("TerminateExtension was not called: %v", err)
	}
}

func TestMemory(t *testing.T) {
	r := start(t, pool.Settings{Recycle: pool.Recycle{PrivateMemory: 200 << 20}})
	old := r.must("grow=300")
	st := r.until("recycled", func(st pool.Status) bool { return st.Generation == 2 && settled(1)(st) })
	if !strings.Contains(st.Because, "private memory") {
		t.Errorf("because %q", st.Because)
	}
	if pid := r.must("pid"); pid == old {
		t.Error("the grown worker served on")
	}
}

// TestShutdownLimit: a request that does not end keeps its worker no longer than the limit, and the log names it.
func TestShutdownLimit(t *testing.T) {
	r := start(t, pool.Settings{Shutdown: 3 * time.Second}) // which a worker keeps that has no request
	slow := r.later("POST", "hang")
	r.inFlight(1)
	r.pool.Recycle("test")
	if a := <-slow; a.status != 502 {
		t.Errorf("%v", a)
	}
	r.logged("drain took too long: the worker is killed", "/process.so?hang")
}

// TestCloseNames: Close ends with its context, and names what it had to end.
func TestCloseNames(t *testing.T) {
	r := start(t, pool.Settings{})
	slow := r.later("POST", "hang")
	r.inFlight(1)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := r.pool.Close(ctx); err == nil || !strings.Contains(err.Error(), "/process.so?hang") {
		t.Errorf("%v", err)
	}
	if a := <-slow; a.status != 502 {
		t.Errorf("%v", a)
	}
	if a := r.do("GET", "pid"); a.status != 503 {
		t.Errorf("after the end: %v", a)
	}
}

// TestOpenErrors: what cannot be loaded is told, and costs the others nothing.
func TestOpenErrors(t *testing.T) {
	r := start(t, pool.Settings{})
	old := r.must("pid")
	text := r.file("text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, r.file("missing.so")} {
		if _, err := r.pool.Open(t.Context(), path, executor.Version{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if pid := r.must("pid"); pid != old {
		t.Errorf("served by %d, want %d", pid, old)
	}
}

// TestOpenHangs: a load that does not end costs its caller the limit; the others go on, in a process without the stuck thread.
func TestOpenHangs(t *testing.T) {
	r := start(t, pool.Settings{Startup: 6 * time.Second, Shutdown: 3 * time.Second}) // which good workers keep, too
	code, err := os.ReadFile(testext.Fixture(t, "havocload"))
	if err != nil {
		t.Fatal(err)
	}
	hang := r.file("version-hang.so")
	if err := os.WriteFile(hang, code, 0o700); err != nil {
		t.Fatal(err)
	}
	old := r.must("pid")
	if _, err := r.pool.Open(t.Context(), hang, executor.Version{}); err == nil || !strings.Contains(err.Error(), hang) {
		t.Errorf("%v", err)
	}
	st := r.until("recycled", func(st pool.Status) bool { return st.Generation == 2 && settled(1)(st) })
	if len(st.Images) != 1 {
		t.Errorf("%+v", st.Images)
	}
	if pid := r.must("pid"); pid == old {
		t.Error("the worker with the stuck thread serves on")
	}
}
