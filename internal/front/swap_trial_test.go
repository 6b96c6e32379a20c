package front

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/swap"
)

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

// TestIsolatedOnTrial: a version whose fault moves the extension into workers is taken back there, too; one that has it before it serves moves
// nothing.
func TestIsolatedOnTrial(t *testing.T) {
	x := newEdge(t, func(_ *changing, c *config.Config) {
		p := defaultPool(c)
		p.Mode, p.OnFault, p.Update.Window = config.ModeInProcess, config.FaultIsolate, time.Hour
		p.Update.Verify = &config.Verify{Path: "/?crash=3", Status: 200, Timeout: time.Minute}
	})
	if r, _ := x.deploy(version(t, 3), true); r.Outcome != swap.Rejected {
		t.Errorf("%+v", r)
	}
	if pools := x.control.Status().Pools; len(pools) > 0 {
		t.Errorf("%+v", pools)
	}
	x.deploy(version(t, 2), false)
	x.ask("crash=2")
	x.until("it is isolated", func() bool { return strings.Contains(x.log.String(), "is isolated") })
	if r := x.last(2, outcome(swap.TakenBack)); !strings.Contains(r.Reason, "it crashed") {
		t.Errorf("%+v", r)
	}
	x.answers(1)
	x.has("shop.so", version(t, 1))
	x.has("shop.failed", version(t, 2))
}
