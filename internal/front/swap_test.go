package front

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
)

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
	x.end = serve(t, x.Front)
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
