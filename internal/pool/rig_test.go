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
