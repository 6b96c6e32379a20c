//go:build linux

package pool_test

import (
	"cmp"
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
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
)

// moreThreads is how many threads this process may have after all rows of the matrix that it did not have before. There are more
// rows, and each has several workers.
const moreThreads = 32

// TestMatrix runs each behaviour of the fault matrix in worker processes, over HTTP, beside another pool that must not notice.
func TestMatrix(t *testing.T) {
	other := start(t, pool.Settings{})
	pid, threads := other.must("pid"), len(names("/proc/self/task/*"))
	for i := range executortest.Matrix {
		b := &executortest.Matrix[i]
		t.Run(b.Name, func(t *testing.T) {
			leavesNoTrace(t)
			switch b.When {
			case executortest.InRequest:
				testInRequest(t, b)
			case executortest.AtLoad:
				testAtLoad(t, b)
			case executortest.AtUnload:
				testAtUnload(t, b)
			}
			if now := other.must("pid"); now != pid {
				t.Errorf("the other pool is served by process %d, before it was %d", now, pid)
			}
		})
	}
	if st := other.pool.Status(); st.Totals.Starts != 1 {
		t.Errorf("the other pool: %+v", st)
	}
	if now := len(names("/proc/self/task/*")); now > threads+moreThreads {
		t.Errorf("%d threads, before there were %d", now, threads)
	}
}

// patient are the settings of a pool that is to be harmed, but for what a row is about.
func patient(b *executortest.Behaviour) pool.Settings {
	set := mortal(1)
	set.Shutdown = 10 * time.Second
	set.Ping, set.PingTimeout = 200*time.Millisecond, 3*time.Second
	if slices.Contains(b.Isolated.Status, http.StatusGatewayTimeout) {
		set.RequestTimeout, set.Shutdown = time.Second, time.Second
	}
	return set
}

func testInRequest(t *testing.T, b *executortest.Behaviour) {
	requestOf(t, harm(t, patient(b), b.Image(t)), b)
}

// requestOf has an image do harm in a request.
func requestOf(t *testing.T, v victim, b *executortest.Behaviour) {
	v.fine()
	old := v.must("pid")
	contained := slices.Equal(b.Isolated.Status, []int{http.StatusInternalServerError}) || slices.Equal(b.Isolated.Status, []int{executortest.Broken})
	var beside <-chan answer
	if contained {
		beside = v.later("GET", "hold="+v.file("gate"))
		v.inFlight(1)
	}
	a := v.ask(cmp.Or(b.Method, "GET"), b.Query, b.Body)
	if !slices.Contains(b.Isolated.Status, a.seen()) {
		t.Errorf("the client sees %v, want one of %d", a, b.Isolated.Status)
	}
	if a.status == http.StatusBadGateway {
		if id := a.header.Get("X-Request-Id"); len(id) != 16 || !v.log.has("request lost with its worker", id) {
			t.Errorf("502 with request id %q, which is not in the log", id)
		}
		if again := v.log.has("request is run again", b.Query); again != (b.Method == "") {
			t.Errorf("%s run again: %v", cmp.Or(b.Method, "GET"), again)
		}
	}
	for range 3 {
		v.fine()
	}
	v.says(b.Isolated.Log)
	if contained {
		v.touch("gate")
		if a := <-beside; a.status != http.StatusOK || a.text != strconv.Itoa(old) {
			t.Errorf("the request beside it in process %d: %v", old, a)
		}
	}
	v.until("settled", settled(1))
	v.replaced(b, old)
}

// testAtLoad opens an image in a pool that serves another, and has the pool recycle when an image that serves has become this
// one.
func testAtLoad(t *testing.T, b *executortest.Behaviour) {
	set := patient(b)
	set.Crashes.Retry, set.Crashes.RetryMax = time.Millisecond, 10*time.Millisecond
	if strings.Contains(b.Isolated.Note, "startup_limit") {
		set.Startup = 3 * time.Second
	}
	image := filepath.Join(t.TempDir(), b.As+".so")
	put(t, image, testext.Fixture(t, "hello"))
	v := harm(t, set, image)
	old := v.must("pid")
	bad := b.Image(t)
	_, err := v.pool.Open(t.Context(), bad, executor.Version{})
	switch late := b.As == "constructor-thread"; {
	case late && err == nil:
		v.says(b.Isolated.Log)
		v.until("replaced", func(pool.Status) bool { return v.must("pid") != old })
		v.fine()
		return
	case err == nil || !strings.Contains(err.Error(), b.Isolated.Log) || !strings.Contains(err.Error(), bad):
		t.Fatalf("open: %v", err)
	}
	v.fine()
	if b.Isolated.Replaced {
		v.until("replaced", func(st pool.Status) bool { return st.Generation == 2 })
	}
	v.until("settled", settled(1))
	v.replaced(b, old)

	put(t, image, bad)
	old = v.must("pid")
	v.pool.Recycle("test")
	v.until("failed", func(st pool.Status) bool { return st.Rollout != nil && st.Rollout.Failures > 0 })
	v.fine()
	if pid := v.must("pid"); pid != old {
		t.Errorf("served by process %d, before it was %d", pid, old)
	}
	if !v.log.has("new generation did not come up: the old one serves on", filepath.Base(image)) {
		t.Errorf("the log does not say why there is no new generation:\n%s", v.log)
	}
}

// put has a file replaced by a copy of another.
func put(t *testing.T, file, by string) {
	t.Helper()
	code, err := os.ReadFile(by)
	if err == nil {
		err = os.WriteFile(file+".new", code, 0o700)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func testAtUnload(t *testing.T, b *executortest.Behaviour) {
	unloadOf(t, patient(b), b, b.Image(t))
}

// unloadOf has an image do harm when it is unloaded.
func unloadOf(t *testing.T, set pool.Settings, b *executortest.Behaviour, image string) {
	if strings.Contains(b.Isolated.Note, "shutdown_limit") {
		set.Shutdown = time.Second
	}
	v := harm(t, set, image)
	v.fine()
	old := v.pool.Status().Workers[0].Pid
	v.pool.Recycle("test")
	v.until("recycled", func(st pool.Status) bool { return st.Generation == 2 && settled(1)(st) })
	v.fine()
	v.says(b.Isolated.Log)
	if !v.log.has("pid=" + strconv.Itoa(old)) {
		t.Errorf("the end of process %d is not in the log", old)
	}
}

// victim is a pool that is to be harmed, in which the fixture process.c runs, too, behind an HTTP server. How it ends may be ugly,
// but it ends.
type victim struct{ *rig }

func harm(t *testing.T, set pool.Settings, image string) victim {
	t.Helper()
	v := victim{&rig{t: t, log: &logBook{t: t}, dir: t.TempDir()}}
	set.Name, set.Log = "victim", slog.New(v.log)
	v.pool = pool.New(set)
	t.Cleanup(func() {
		v.touch("gate")
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := v.pool.Close(ctx); ctx.Err() != nil {
			t.Errorf("close: %v", err)
		}
		if v.server != nil { // no request is inside now
			v.server.CloseClientConnections()
			v.server.Close()
		}
		if t.Failed() {
			t.Logf("the log:\n%s", v.log)
		}
	})
	mux := http.NewServeMux()
	process := testext.Fixture(t, "process")
	if set.Worker.Program != nil {
		process = testext.DLL(t, "amd64", "process")
	}
	for path, image := range map[string]string{"/process.so": process, "/image.so": image} {
		e, err := v.pool.Open(t.Context(), image, executor.Version{})
		if err != nil {
			t.Fatal(err)
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, q *http.Request) {
			res := e.Execute(w, q, &executor.Target{App: &executor.App{}, ScriptName: path})
			res.Check()
		})
	}
	v.server = httptest.NewServer(mux)
	v.server.Config.ErrorLog = slog.NewLogLogger(v.log, slog.LevelDebug)
	return v
}

// ask sends a request to the image, on a connection of its own.
func (v victim) ask(method, query, body string) answer {
	ctx, cancel := context.WithTimeout(v.t.Context(), 30*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, method, v.server.URL+"/image.so?"+query, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(q)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(text), res.Header, err}
}

// seen is what the client sees, in the words of the matrix.
func (a answer) seen() int {
	if a.err != nil {
		return executortest.Broken
	}
	return a.status
}

// fine has the test fail unless the image answers a GET.
func (v victim) fine() {
	v.t.Helper()
	if a := v.ask("GET", "ok", ""); a.err != nil || a.status != http.StatusOK {
		v.t.Errorf("GET ?ok: %v", a)
	}
}

// says waits for a text in the log.
func (v victim) says(text string) {
	v.t.Helper()
	if text != "" {
		v.until(fmt.Sprintf("%q in the log", text), func(pool.Status) bool { return v.log.has(text) })
	}
}

// replaced has the test fail unless the worker that served was replaced, if it is to be, and only then.
func (v victim) replaced(b *executortest.Behaviour, old int) {
	v.t.Helper()
	if pid := v.must("pid"); (pid != old) != b.Isolated.Replaced {
		v.t.Errorf("served by process %d, before it was %d; replaced: want %v", pid, old, b.Isolated.Replaced)
	}
}
