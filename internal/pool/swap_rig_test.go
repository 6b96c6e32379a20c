//go:build linux

package pool_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
)

// build is version n of the fixture swapver.c.
func build(t testing.TB, n int) executor.Version {
	t.Helper()
	return versionOf(t, testext.Fixture(t, "swapver", fmt.Sprintf("-DVERSION=%d", n)))
}

// versionOf is the version whose bytes are in a file.
func versionOf(t testing.TB, file string) executor.Version {
	t.Helper()
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(code)
	return executor.Version{File: file, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(code))}
}

// swapRig is a pool whose image is replaced again and again. What lies at the path of the image is no image at all.
type swapRig struct {
	*rig
	exec executor.Replaceable
}

// startSwaps starts a pool with version 1. With alone no build may be loaded while another one is.
func startSwaps(t testing.TB, set pool.Settings, alone bool) *swapRig {
	t.Helper()
	r := &rig{t: t, log: &logBook{t: t}, dir: t.TempDir()}
	set.Name, set.Log = "shop", slog.New(r.log)
	set.Worker.Spec.Env = os.Environ()
	if alone {
		set.Worker.Spec.Env = append(set.Worker.Spec.Env, "SWAPVER_ALONE="+r.file("alone"))
	}
	r.touch("app.so")
	r.pool = pool.New(set)
	e, err := r.pool.Open(t.Context(), r.file("app.so"), build(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		res := e.Execute(w, q, &executor.Target{App: &executor.App{}, ScriptName: "/process.so"})
		res.Check()
	}))
	r.server.Config.ErrorLog = slog.NewLogLogger(r.log, slog.LevelDebug)
	t.Cleanup(r.end)
	return &swapRig{r, e}
}

func (r *swapRig) replace(v executor.Version, hold bool) executor.Replacement {
	r.t.Helper()
	x, err := r.exec.Replace(r.t.Context(), v, executor.Replacing{Hold: hold, Reason: "test"})
	if err != nil {
		r.t.Fatalf("%v\n%s", err, r.log)
	}
	return x
}

func (r *swapRig) settle(x executor.Replacement) {
	r.t.Helper()
	if err := x.Settle(r.t.Context()); err != nil {
		r.t.Errorf("settle: %v", err)
	}
}

// served has the test fail unless version n answers.
func (r *swapRig) served(n int) {
	r.t.Helper()
	if a := r.do("POST", "x"); a.status != 200 || a.header.Get("X-Version") != strconv.Itoa(n) {
		r.t.Errorf("%v by version %q, want %d", a, a.header.Get("X-Version"), n)
	}
}

// versionLoad is a stream of requests, from several clients, that knows which version may answer.
type versionLoad struct {
	stop atomic.Bool
	wg   sync.WaitGroup
	only atomic.Int64 // version that must answer what begins and ends while it says so, with a part that changes; 0: any may

	mu    sync.Mutex // guards all below
	good  int
	bad   []string
	count map[string]int // by version
}

// must says which version answers from now on; 0: any.
func (l *versionLoad) must(n int) {
	epoch := l.only.Load()>>16 + 1
	l.only.Store(epoch<<16 | int64(n))
}

// versions starts a load of these methods, one client for each.
func (r *swapRig) versions(methods ...string) *versionLoad {
	l := &versionLoad{count: map[string]int{}}
	l.must(1)
	for _, method := range methods {
		l.wg.Go(func() {
			for !l.stop.Load() {
				before := l.only.Load()
				a := r.do(method, "x&sleep=1")
				by := a.header.Get("X-Version")
				l.note(a, by, before)
			}
		})
	}
	return l
}

func (l *versionLoad) note(a answer, by string, before int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	want := before & 0xffff
	switch {
	case a.err != nil || a.status != 200:
		l.bad = append(l.bad, a.String())
	case want != 0 && before == l.only.Load() && by != strconv.FormatInt(want, 10):
		l.bad = append(l.bad, fmt.Sprintf("answered by version %s instead of %d", by, want))
	default:
		l.good++
		l.count[by]++
	}
}

// more waits until there are n more answers.
func (r *swapRig) more(l *versionLoad, n int) {
	r.t.Helper()
	before := l.sum()
	r.until("more answers", func(pool.Status) bool { return l.sum() >= before+n })
}

func (l *versionLoad) sum() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.good + len(l.bad)
}

// finish ends the load, and has the test fail if a request failed.
func (r *swapRig) finish(l *versionLoad) {
	r.t.Helper()
	l.stop.Store(true)
	l.wg.Wait()
	if len(l.bad) > 0 {
		r.t.Errorf("%d of %d requests failed: %q …\n%s", len(l.bad), l.good+len(l.bad), l.bad[0], r.log)
	}
	r.t.Logf("%d requests, by version %v", l.good, l.count)
}

var mixed = []string{"GET", "POST", "GET", "POST", "GET", "POST"}
