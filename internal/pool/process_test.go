//go:build linux

package pool_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
)

// rig is a pool with one image behind an HTTP server.
type rig struct {
	t      testing.TB
	pool   *pool.Pool
	server *httptest.Server
	log    *logBook
	dir    string // of the test
}

// start starts a pool of real processes that runs the fixture process.c. At the end of the test it is closed, and nothing of it
// may be left.
func start(t testing.TB, set pool.Settings) *rig {
	t.Helper()
	r := &rig{t: t, log: &logBook{t: t}, dir: t.TempDir()}
	set.Name, set.Log = "shop", slog.New(r.log)
	set.Worker.Spec.Env = append(os.Environ(), "PROCESS_SICK="+r.file("sick"), "PROCESS_ENDED="+r.file("ended"))
	r.pool = pool.New(set)
	e, err := r.pool.Open(t.Context(), testext.Fixture(t, "process"), executor.Version{})
	if err != nil {
		t.Fatal(err)
	}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		res := e.Execute(w, q, &executor.Target{App: &executor.App{}, ScriptName: "/process.so"})
		res.Check()
	}))
	r.server.Config.ErrorLog = slog.NewLogLogger(r.log, slog.LevelDebug)
	t.Cleanup(r.end)
	return r
}

func (r *rig) file(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) touch(name string) {
	r.t.Helper()
	if err := os.WriteFile(r.file(name), nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) end() {
	r.touch("gate")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	pids := r.pids()
	if err := r.pool.Close(ctx); err != nil {
		r.t.Errorf("close: %v", err)
	}
	r.server.CloseClientConnections()
	r.server.Close()
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err == nil {
			r.t.Errorf("process %d is left", pid)
		}
	}
}

// answer is what a request got.
type answer struct {
	status int
	text   string
	header http.Header
	err    error // of the connection
}

func (a answer) String() string { return fmt.Sprintf("%d %q, %v", a.status, a.text, a.err) }

func (r *rig) do(method, query string) answer {
	q, err := http.NewRequest(method, r.server.URL+"/process.so?"+query, strings.NewReader(map[string]string{"POST": "a body", "PUT": "another"}[method]))
	if err != nil {
		return answer{err: err}
	}
	return readAnswer(r.server.Client().Do(q))
}

func readAnswer(res *http.Response, err error) answer {
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(text), res.Header, err}
}

// must answers the number of the process that served a request.
func (r *rig) must(query string) int {
	r.t.Helper()
	a := r.do("GET", query)
	pid, err := strconv.Atoi(a.text)
	if a.status != 200 || err != nil {
		r.t.Fatalf("%s: %v", query, a)
	}
	return pid
}

// later runs a request in the background.
func (r *rig) later(method, query string) <-chan answer {
	c := make(chan answer, 1)
	go func() { c <- r.do(method, query) }()
	return c
}

func (r *rig) pids() (list []int) {
	for _, w := range r.pool.Status().Workers {
		if w.Pid != 0 {
			list = append(list, w.Pid)
		}
	}
	return list
}

// until waits for a fact about the pool.
func (r *rig) until(what string, fact func(pool.Status) bool) pool.Status {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		st := r.pool.Status()
		if fact(st) {
			return st
		}
		if time.Now().After(end) {
			r.t.Fatalf("never %s: %+v", what, st)
		}
	}
}

func (r *rig) inFlight(n int64) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d inside", n), func(st pool.Status) bool {
		var sum int64
		for _, w := range st.Workers {
			sum += w.InFlight
		}
		return sum == n
	})
}

// settled: one generation, all its workers ready, no other.
func settled(n int) func(pool.Status) bool {
	return func(st pool.Status) bool {
		return st.State == pool.StateRunning && len(st.Workers) == n && st.Rollout == nil &&
			!slices.ContainsFunc(st.Workers, func(w pool.WorkerStatus) bool { return w.State != "ready" || w.Generation != st.Generation })
	}
}

// logBook keeps the messages of a log and shows them with the test.
type logBook struct {
	t    testing.TB
	mu   sync.Mutex // guards list
	list []string
}

func (l *logBook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logBook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logBook) WithGroup(string) slog.Handler            { return l }
func (l *logBook) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := r.Time.Format("05.000 ") + r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	l.list = append(l.list, text)
	return nil
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.list, "\n")
}

// has says whether a line has all of these words.
func (l *logBook) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.list, func(line string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
	})
}

func (r *rig) logged(words ...string) {
	r.t.Helper()
	if !r.log.has(words...) {
		r.t.Errorf("no line with %q in\n%s", words, r.log)
	}
}

// load is a stream of requests of one method, from several clients.
type load struct {
	stop    atomic.Bool
	wg      sync.WaitGroup
	mu      sync.Mutex // guards all below
	good    int
	bad     []answer
	servers map[string]bool
}

func (r *rig) load(method string, clients int) *load {
	l := &load{servers: map[string]bool{}}
	for range clients {
		l.wg.Go(func() {
			for !l.stop.Load() {
				a := r.do(method, "pid")
				l.mu.Lock()
				if a.err == nil && a.status == 200 {
					l.good++
					l.servers[a.text] = true
				} else {
					l.bad = append(l.bad, a)
				}
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) end() {
	l.stop.Store(true)
	l.wg.Wait()
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.good
}

// mortal are settings that never make a pool degraded.
func mortal(workers int) pool.Settings {
	return pool.Settings{Workers: workers, Crashes: pool.Crashes{Max: -1, Backoff: time.Millisecond, BackoffMax: 10 * time.Millisecond}}
}

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
		Executor: executor.Options{Threads: 1}, Ping: 50 * time.Millisecond, PingTimeout: 500 * time.Millisecond,
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
	for end := time.Now().Add(10 * time.Second); !r.log.has("action for an orphan ended", "T (stopped)", "shop: no thread of", strconv.Itoa(orphans[1])); time.Sleep(5 * time.Millisecond) {
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
	r := start(t, pool.Settings{Shutdown: 300 * time.Millisecond})
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
	r := start(t, pool.Settings{Startup: time.Second, Shutdown: time.Second})
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
