package front

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/testlog"
)

// changing is a front with one image, which is replaced.
type changing struct {
	*testing.T
	*Front
	control *Control
	folder  string
	log     *testlog.Buffer
	end     func()
}

// modes are those an image can be replaced in.
func modes(t *testing.T, test func(t *testing.T, mode config.PoolMode)) {
	for _, mode := range []config.PoolMode{config.ModeIsolated, config.ModeInProcess} {
		t.Run(string(mode), func(t *testing.T) { test(t, mode) })
	}
}

// newChanging serves version 1 as shop.so.
func newChanging(t *testing.T, mode config.PoolMode, change func(*config.Update)) *changing {
	t.Helper()
	x := &changing{T: t, folder: t.TempDir()}
	x.put("shop.so", version(t, 1))
	x.start(mode, change)
	t.Cleanup(func() { x.end() })
	return x
}

func (x *changing) start(mode config.PoolMode, change func(*config.Update)) {
	x.Helper()
	c := oneSite(x.T, map[string]string{"*": x.path("shop.so")})
	p := defaultPool(c)
	p.Mode, p.ShutdownLimit, p.StartupLimit = mode, 20*time.Second, 20*time.Second
	p.Update.Window = 0
	if change != nil {
		change(&p.Update)
	}
	x.log = &testlog.Buffer{}
	f, err := New(c, slog.New(slog.NewTextHandler(x.log, nil)))
	if err != nil {
		x.Fatal(err)
	}
	x.Front = f
	x.control = NewControl(f, "test", func() {})
	x.end = sync.OnceFunc(serve(x.T, f))
}

// version builds one version of the extension.
func version(t *testing.T, n int, flags ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testext.Fixture(t, "version", append(flags, fmt.Sprintf("-DVERSION=%d", n))...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (x *changing) path(name string) string { return filepath.Join(x.folder, name) }

// put has a file appear at once, as a rename does.
func (x *changing) put(name string, b []byte) {
	x.Helper()
	tmp := x.path("new")
	if err := os.WriteFile(tmp, b, 0o755); err != nil {
		x.Fatal(err)
	}
	if err := os.Rename(tmp, x.path(name)); err != nil {
		x.Fatal(err)
	}
}

func (x *changing) has(name string, b []byte) {
	x.Helper()
	got, err := os.ReadFile(x.path(name))
	if err != nil || !bytes.Equal(got, b) {
		x.Errorf("%s: %v, %d bytes, want %d others", name, err, len(got), len(b))
	}
}

func (x *changing) hasNo(name string) {
	x.Helper()
	if _, err := os.Lstat(x.path(name)); err == nil {
		x.Errorf("there is a %s", name)
	}
}

func (x *changing) ask(query string) (status int, body string) {
	x.Helper()
	return get(x.T, x.URLs()[0]+"?"+query)
}

// answers checks that a version answers.
func (x *changing) answers(n int) {
	x.Helper()
	if status, body := x.ask(""); status != 200 || strings.TrimSpace(body) != fmt.Sprint(n) {
		x.Errorf("%d %q, want version %d", status, body, n)
	}
}

// last waits for the receipt of the nth swap.
func (x *changing) last(n int, is func(swap.Receipt) bool) swap.Receipt {
	x.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		list, err := x.control.History(x.path("shop.so"))
		if err != nil {
			x.Fatal(err)
		}
		if len(list) >= n && is(list[0]) {
			return list[0]
		}
		if time.Now().After(end) {
			x.Fatalf("after a minute: %+v\n%s", list, x.log)
		}
	}
}

func outcome(o swap.Outcome) func(swap.Receipt) bool {
	return func(r swap.Receipt) bool { return r.Outcome == o && r.Ended != nil }
}

func committed(r swap.Receipt) bool { return r.Committed != nil }

func (x *changing) deploy(b []byte, wait bool) (swap.Receipt, []string) {
	x.Helper()
	file := filepath.Join(x.TempDir(), "upload")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		x.Fatal(err)
	}
	var steps []string
	r, err := x.control.Deploy(x.Context(), x.path("shop.so"), "deploy by a test", wait, file, func(s swap.Step) { steps = append(steps, s.Text) })
	if err != nil {
		x.Fatal(err)
	}
	return r, steps
}

// TestFiles: the protocol of files, from one version to the next.
func TestFiles(t *testing.T) {
	modes(t, func(t *testing.T, mode config.PoolMode) {
		x := newChanging(t, mode, func(u *config.Update) { u.Backups = 2 })
		v := [][]byte{nil, version(t, 1), version(t, 2), version(t, 3), version(t, 4)}
		x.answers(1)
		x.put("shop.update", v[2])
		r := x.last(1, outcome(swap.Committed))
		x.answers(2)
		x.has("shop.so", v[2])
		x.has("shop.backup", v[1])
		x.hasNo("shop.update")
		if r.Who != "shop.update" || r.From.Description != "version 1" || r.To.Description != "version 2" || r.Lost != 0 || r.Held != 0 ||
			r.Backup != x.path("shop.backup") || len(r.Generations) != 1 || r.Generations[0].Old != 1 || r.Generations[0].New != 2 {
			t.Errorf("%+v", r)
		}
		x.put("shop.so", v[3])
		r = x.last(2, outcome(swap.Committed))
		x.answers(3)
		x.has("shop.backup", v[2])
		x.has("shop.backup.2", v[1])
		if r.Who != "shop.so was overwritten" {
			t.Errorf("%+v", r)
		}
		if err := os.WriteFile(x.path("shop.so"), v[4], 0o755); err != nil { // into the same file
			t.Fatal(err)
		}
		x.last(3, outcome(swap.Committed))
		x.answers(4)
		x.has("shop.backup", v[3])
		x.has("shop.backup.2", v[2])
		x.hasNo("shop.backup.3")
		x.end()
		x.start(mode, nil)
		x.answers(4)
	})
}

// TestBad: what is no good is put aside, and the version in force serves throughout.
func TestBad(t *testing.T) {
	good := version(t, 2)
	bad := map[string]struct {
		bytes []byte
		why   string
	}{
		"text":               {[]byte("no library"), "a text or source file"},
		"missing export":     {version(t, 2, "-DNOPROC"), "HttpExtensionProc"},
		"version FALSE":      {version(t, 2, "-DREFUSE"), "GetExtensionVersion returned FALSE"},
		"crash in the load":  {version(t, 2, "-DCRASH"), "GetExtensionVersion"},
		"wrong architecture": {patched(good, 18, 183), "arm64"},
	}
	modes(t, func(t *testing.T, mode config.PoolMode) {
		x := newChanging(t, mode, nil)
		first := version(t, 1)
		stop := x.load(4)
		n := 0
		for name, c := range bad {
			x.put("shop.update", c.bytes)
			n++
			r := x.last(n, outcome(swap.Rejected))
			if !strings.Contains(r.Reason, c.why) || r.Failed != x.path("shop.failed") {
				t.Errorf("%s: %+v", name, r)
			}
			x.has("shop.failed", c.bytes)
			x.has("shop.so", first)
			if text, err := os.ReadFile(x.path("shop.failed.txt")); err != nil || !strings.Contains(string(text), c.why) {
				t.Errorf("%s: %v, %s", name, err, text)
			}
			x.put("shop.so", c.bytes)
			n++
			if r := x.last(n, outcome(swap.Rejected)); !strings.Contains(r.Reason, c.why) {
				t.Errorf("%s, overwritten: %+v", name, r)
			}
			x.has("shop.failed", c.bytes)
			x.has("shop.so", first)
			x.hasNo("shop.backup")
		}
		if failed, total := stop(); failed > 0 || total == 0 {
			t.Errorf("%d of %d requests failed", failed, total)
		}
		x.answers(1)
		x.put("shop.update", good)
		x.last(n+1, outcome(swap.Committed))
		x.answers(2)
	})
}

func patched(b []byte, at int, value byte) []byte {
	b = bytes.Clone(b)
	b[at] = value
	return b
}

// load sends requests until stop is called, which says how many failed of how many.
func (x *changing) load(clients int) (stop func() (failed, total int64)) {
	var over atomic.Bool
	var failures, all atomic.Int64
	var wait sync.WaitGroup
	url := x.URLs()[0]
	for range clients {
		wait.Go(func() {
			client := http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for !over.Load() {
				all.Add(1)
				resp, err := client.Get(url)
				if err != nil {
					failures.Add(1)
					continue
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || len(b) == 0 {
					failures.Add(1)
				}
			}
		})
	}
	return func() (int64, int64) {
		over.Store(true)
		wait.Wait()
		return failures.Load(), all.Load()
	}
}

// TestHang: a version that never returns from its load is given up.
func TestHang(t *testing.T) {
	x := newChanging(t, config.ModeIsolated, nil)
	c := *x.setup.Load().cfg.Pools[config.DefaultPoolName]
	c.StartupLimit = 300 * time.Millisecond
	cfg := *x.setup.Load().cfg
	cfg.Pools = map[string]*config.Pool{config.DefaultPoolName: &c}
	if _, err := x.Reload(t.Context(), &cfg); err != nil {
		t.Fatal(err)
	}
	r, _ := x.deploy(version(t, 2, "-DHANG"), true)
	if r.Outcome != swap.Rejected || !strings.Contains(r.Reason, "300ms") {
		t.Errorf("%+v", r)
	}
	x.answers(1)
}

// TestOrders: deploy, rollback and history.
func TestOrders(t *testing.T) {
	modes(t, func(t *testing.T, mode config.PoolMode) {
		x := newChanging(t, mode, nil)
		r, steps := x.deploy(version(t, 2), true)
		if r.Outcome != swap.Committed || r.Who != "deploy by a test" || r.Ended == nil || len(steps) < 3 {
			t.Errorf("%+v, %q", r, steps)
		}
		x.answers(2)
		x.has("shop.so", version(t, 2))
		if r, _ := x.deploy([]byte("text"), false); r.Outcome != swap.Rejected || !strings.Contains(r.Reason, "shop.so: a text") {
			t.Errorf("%+v", r)
		}
		x.hasNo("shop.failed")
		x.deploy(version(t, 3), true)
		x.answers(3)
		hash := r.From.SHA256[:8] // version 1
		r, err := x.control.Rollback(t.Context(), x.path("shop.so"), hash, "me", true, nil)
		if err != nil || r.Outcome != swap.Committed {
			t.Errorf("%+v, %v", r, err)
		}
		x.answers(1)
		x.has("shop.so", version(t, 1))
		if r, err = x.control.Rollback(t.Context(), x.path("shop.so"), "", "me", true, nil); err != nil || r.Outcome != swap.Committed {
			t.Errorf("%+v, %v", r, err)
		}
		x.answers(3)
		if _, err := x.control.Rollback(t.Context(), x.path("shop.so"), "77", "me", true, nil); err == nil || !strings.Contains(err.Error(), "1 to") {
			t.Errorf("version 77: %v", err)
		}
		if _, err := x.control.Rollback(t.Context(), x.path("other.so"), "", "me", true, nil); err == nil || !strings.Contains(err.Error(), "other.so") {
			t.Errorf("another image: %v", err)
		}
		list, err := x.control.History(x.path("shop.so"))
		if err != nil || len(list) != 5 || !slices.IsSortedFunc(list, func(a, b swap.Receipt) int { return b.Began.Compare(a.Began) }) {
			t.Errorf("%v, %d receipts: %+v", err, len(list), list)
		}
	})
}

// TestWatchWindow: a version that is worse than the one before is taken back, without a request that waits.
func TestWatchWindow(t *testing.T) {
	window := func(u *config.Update) { u.Window = time.Hour }
	worse := map[string]struct {
		query string
		times int
		why   string
	}{
		"crash":  {"crash=2", 1, "it crashed: 1 crash"},
		"errors": {"fail=2", 30, "too many errors"},
		"slower": {"sleep=30", 60, "too slow"},
	}
	modes(t, func(t *testing.T, mode config.PoolMode) {
		for name, c := range worse {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				x := newChanging(t, mode, window)
				for range 220 {
					x.ask("crash=9&fail=9")
				}
				r, _ := x.deploy(version(t, 2), false)
				if r.Outcome != swap.Committed || r.Ended != nil {
					t.Errorf("%+v", r)
				}
				x.answers(2)
				x.has("shop.so", version(t, 2))
				for range c.times {
					x.ask(c.query)
				}
				r = x.last(1, outcome(swap.TakenBack))
				if !strings.Contains(r.Reason, c.why) || r.Failed != x.path("shop.failed") || r.Lost != 0 && name != "crash" {
					t.Errorf("%+v", r)
				}
				x.answers(1)
				x.has("shop.so", version(t, 1))
				x.has("shop.failed", version(t, 2))
				x.hasNo("shop.backup")
			})
		}
	})
}

// TestRollbackOnTrial: in the watch window the version before is still there.
func TestRollbackOnTrial(t *testing.T) {
	modes(t, func(t *testing.T, mode config.PoolMode) {
		x := newChanging(t, mode, func(u *config.Update) { u.Window = time.Hour })
		x.deploy(version(t, 2), false)
		x.answers(2)
		r, err := x.control.Rollback(t.Context(), x.path("shop.so"), "", "rollback by a test", true, nil)
		if err != nil || r.Outcome != swap.TakenBack || r.To.Description != "version 2" {
			t.Errorf("%+v, %v", r, err)
		}
		x.answers(1)
		x.has("shop.so", version(t, 1))
		// another version ends the window early
		x.deploy(version(t, 3), false)
		x.put("shop.update", version(t, 4))
		r = x.last(3, committed)
		x.answers(4)
		if r.From.Description != "version 3" {
			t.Errorf("%+v", r)
		}
	})
}

// TestCanary: a part of the requests goes first, and a bad version is never more than that.
func TestCanary(t *testing.T) {
	modes(t, func(t *testing.T, mode config.PoolMode) {
		x := newChanging(t, mode, func(u *config.Update) { u.Canary, u.CanaryTime, u.Factor = 50, time.Hour, 2 })
		over := make(chan swap.Receipt)
		go func() {
			r, _ := x.deploy(version(t, 2), false)
			over <- r
		}()
		seen := map[string]int{}
		for len(seen) < 2 {
			_, body := x.ask("")
			seen[strings.TrimSpace(body)]++
		}
		for range 200 { // with errors of version 2 alone
			x.ask("fail=2")
		}
		if r := <-over; r.Outcome != swap.Rejected || !strings.Contains(r.Reason, "too many errors") {
			t.Errorf("%+v", r)
		}
		x.answers(1)
		x.has("shop.so", version(t, 1))
	})
}

// TestVerify: the probe decides.
func TestVerify(t *testing.T) {
	modes(t, func(t *testing.T, mode config.PoolMode) {
		x := newChanging(t, mode, func(u *config.Update) {
			u.Verify = &config.Verify{Path: "/health?fail=2", Status: 200, Timeout: 300 * time.Millisecond}
		})
		r, _ := x.deploy(version(t, 2), true)
		if r.Outcome != swap.Rejected || r.Reason != "the probe GET /health?fail=2 was answered 500, not 200" {
			t.Errorf("%+v", r)
		}
		x.answers(1)
		if r, _ = x.deploy(version(t, 3), true); r.Outcome != swap.Committed || r.Verified == nil {
			t.Errorf("%+v", r)
		}
		x.answers(3)
	})
}

// TestHold: the two versions never run at the same time, and a bad one is given back for the old one.
func TestHold(t *testing.T) {
	modes(t, func(t *testing.T, mode config.PoolMode) {
		x := newChanging(t, mode, func(u *config.Update) { u.Mode = config.UpdateHold })
		if err := os.WriteFile(x.path("life"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		stop := x.load(4)
		r, _ := x.deploy(version(t, 2), true)
		if r.Outcome != swap.Committed || r.Mode != "hold" || r.Lost != 0 {
			t.Errorf("%+v", r)
		}
		x.answers(2)
		if r, _ = x.deploy(version(t, 3, "-DREFUSE"), true); r.Outcome != swap.Rejected {
			t.Errorf("%+v", r)
		}
		x.answers(2)
		if failed, total := stop(); failed > 0 || total == 0 {
			t.Errorf("%d of %d requests failed", failed, total)
		}
		x.end()
		life, err := os.ReadFile(x.path("life"))
		if err != nil {
			t.Fatal(err)
		}
		inside := 0
		for line := range strings.Lines(string(life)) {
			if strings.HasPrefix(line, "loaded") {
				inside++
			} else {
				inside--
			}
			if inside > 1 {
				t.Errorf("two versions at the same time:\n%s", life)
				break
			}
		}
	})
}

// TestDiedOnTrial: a version that was watched inside the server when that died is not loaded again.
func TestDiedOnTrial(t *testing.T) {
	x := newChanging(t, config.ModeInProcess, func(u *config.Update) { u.Window = time.Hour })
	x.deploy(version(t, 2), false)
	journal, err := os.ReadFile(x.path("shop.journal"))
	if err != nil {
		t.Fatal(err)
	}
	x.end()
	if err := os.WriteFile(x.path("shop.journal"), journal, 0o644); err != nil { // as it was when the server served
		t.Fatal(err)
	}
	x.start(config.ModeInProcess, nil)
	x.answers(1)
	x.has("shop.so", version(t, 1))
	x.has("shop.failed", version(t, 2))
	x.end()
	x.start(config.ModeInProcess, nil)
	x.answers(1)
}

// TestRunFile: without the configured file NAME.run is what runs.
func TestRunFile(t *testing.T) {
	x := newChanging(t, config.ModeIsolated, nil)
	x.end()
	if err := os.Rename(x.path("shop.so"), x.path("shop.run")); err != nil {
		t.Fatal(err)
	}
	x.start(config.ModeIsolated, nil)
	x.answers(1)
	x.put("shop.update", version(t, 2))
	x.last(1, outcome(swap.Committed))
	x.answers(2)
	x.has("shop.run", version(t, 2))
	x.hasNo("shop.so")
}

// TestStray: an executor that was opened while a version was on trial goes back with the others.
func TestStray(t *testing.T) {
	x := newChanging(t, config.ModeIsolated, func(u *config.Update) { u.Window = time.Hour })
	x.deploy(version(t, 2), false)
	cfg := *x.setup.Load().cfg
	p := *cfg.Pools[config.DefaultPoolName]
	p.Mode = config.ModeInProcess
	cfg.Pools = map[string]*config.Pool{config.DefaultPoolName: &p}
	if _, err := x.Reload(t.Context(), &cfg); err != nil {
		t.Fatal(err)
	}
	x.answers(2)
	if r, err := x.control.Rollback(t.Context(), x.path("shop.so"), "", "a test", true, nil); err != nil || r.Outcome != swap.TakenBack {
		t.Errorf("%+v, %v", r, err)
	}
	x.answers(1)
}

// TestTrialOutlivesGarbage: what can be refused by its file alone does not end a watch window.
func TestTrialOutlivesGarbage(t *testing.T) {
	x := newChanging(t, config.ModeIsolated, func(u *config.Update) { u.Window = time.Hour })
	x.deploy(version(t, 2), false)
	x.put("shop.update", []byte("no library"))
	x.last(2, outcome(swap.Rejected))
	if r, err := x.control.Rollback(t.Context(), x.path("shop.so"), "", "a test", true, nil); err != nil || r.Outcome != swap.TakenBack {
		t.Errorf("%+v, %v", r, err)
	}
	x.answers(1)
}

// TestTwoImagesOfAPool: both are replaced at the same time, though one of them is still being watched, and neither is lost.
func TestTwoImagesOfAPool(t *testing.T) {
	x := newChanging(t, config.ModeIsolated, func(u *config.Update) { u.Window = time.Hour })
	x.end()
	x.put("other.so", version(t, 1))
	c := oneSite(t, map[string]string{"/a/*": x.path("shop.so"), "/b/*": x.path("other.so")})
	p := defaultPool(c)
	p.Isolation, p.Update.Window = config.PerPool, time.Hour
	x.Front = newFront(t, c)
	x.control = NewControl(x.Front, "test", func() {})
	x.end = sync.OnceFunc(serve(t, x.Front))
	x.put("shop.update", version(t, 2))
	x.put("other.update", version(t, 3))
	url := x.URLs()[0]
	for path, want := range map[string]string{"a/": "2", "b/": "3"} {
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			status, body := get(t, url+path)
			if status != 200 {
				t.Fatalf("%s: %d", path, status)
			}
			if strings.TrimSpace(body) == want {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: after a minute: %q; %+v", path, body, x.images.States())
			}
		}
	}
}
