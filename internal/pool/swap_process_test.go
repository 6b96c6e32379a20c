//go:build linux

package pool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
)

// TestSwapUnderLoad: versions follow one another while requests that must not run twice go on; not one fails, and none is answered by the
// old one after the commit.
func TestSwapUnderLoad(t *testing.T) {
	for _, hold := range []bool{false, true} {
		t.Run(fmt.Sprintf("hold %v", hold), func(t *testing.T) {
			leavesNoTrace(t)
			r := startSwaps(t, pool.Settings{Workers: 2 - map[bool]int{true: 1}[hold]}, hold)
			l := r.versions(mixed...)
			for n := 2; n <= 6; n++ {
				x := r.replace(build(t, n), hold)
				if !hold {
					r.more(l, 10)
				}
				l.must(0)
				x.Commit()
				l.must(n)
				r.more(l, 10)
				r.settle(x)
				r.more(l, 10)
				p := x.Progress()
				if p.Lost != 0 || p.Old.Errors != 0 || p.New.Errors != 0 || p.Old.Crashes != 0 || p.New.Requests < 10 || p.New.Median <= 0 || hold != (p.Held > 0) || hold != (p.Longest > 0) {
					t.Errorf("%+v", p)
				}
			}
			r.finish(l)
			if st := r.pool.Status(); st.Totals.Crashes > 0 || st.Images[0].SHA256 != build(t, 6).SHA256 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestSwapBadVersion: each kind of bad version is told from the others, and costs nobody anything.
func TestSwapBadVersion(t *testing.T) {
	text := t.TempDir() + "/text.so"
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	flawed := func(flag string) executor.Version {
		return versionOf(t, testext.Fixture(t, "version", "-DVERSION=9", "-D"+flag))
	}
	inLoad := func(code string) executor.Version {
		return versionOf(t, testext.Source(t, `
			#include <signal.h>
			#include <stdlib.h>
			#include <sys/syscall.h>
			#include <unistd.h>
			#include <httpext.h>
			BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { `+code+`; (void)v; return TRUE; }
			DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) { (void)e; return HSE_STATUS_SUCCESS; }`))
	}
	other := build(t, 2)
	other.SHA256 = strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		version executor.Version
		why     string
		dies    bool
	}{
		"no image":       {versionOf(t, text), "", false},
		"missing":        {executor.Version{File: text + ".not"}, "", false},
		"other bytes":    {other, "", false},
		"missing export": {flawed("NOPROC"), "HttpExtensionProc", false},
		"false":          {flawed("REFUSE"), "GetExtensionVersion returned FALSE", false},
		"segv":           {flawed("CRASH"), "SIGSEGV", false},
		"exit":           {inLoad("exit(3)"), "called exit(3)", false},
		"end":            {inLoad("syscall(SYS_exit_group, 3)"), "exit code 3", true},
		"abort":          {inLoad("signal(SIGABRT, SIG_DFL); abort()"), "", true},
		"kill -9":        {inLoad("kill(getpid(), SIGKILL)"), "SIGKILL", true},
		"hang":           {flawed("HANG"), "6s", false},
	} {
		for _, hold := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hold %v", name, hold), func(t *testing.T) {
				leavesNoTrace(t)
				set := pool.Settings{Shutdown: 5 * time.Second}
				if name == "hang" {
					set.Startup = 6 * time.Second // which is also for the workers that are good
				}
				r := startSwaps(t, set, hold)
				old := r.pids()
				l := r.versions("GET", "POST")
				r.more(l, 5)
				_, err := r.exec.Replace(t.Context(), c.version, executor.Replacing{Hold: hold})
				var died *remote.Obituary
				if err == nil || !strings.Contains(err.Error(), c.why) || c.dies != errors.As(err, &died) {
					t.Errorf("%v", err)
				}
				t.Log(err)
				r.more(l, 5)
				r.finish(l)
				r.until("settled", settled(1))
				if pids := r.pids(); slices.Equal(pids, old) == hold {
					t.Errorf("served by %d, before it was %d", pids, old)
				}
				r.logged("new version did not come up: the old one serves on")
				if st := r.pool.Status(); st.Crashes != 0 || st.Images[0].Error != "" {
					t.Errorf("%+v", st)
				}
				x := r.replace(build(t, 2), hold)
				x.Commit()
				r.served(2)
				r.settle(x)
			})
		}
	}
}

func TestSwapCanary(t *testing.T) {
	r := startSwaps(t, pool.Settings{}, false)
	x := r.replace(build(t, 2), false)
	l := r.versions(mixed...)
	r.more(l, 100)
	l.must(0)
	x.Share(0.25)
	r.more(l, 1000)
	l.mu.Lock()
	got := l.count["2"]
	l.mu.Unlock()
	if got < 150 || got > 350 {
		t.Errorf("%d of 1000 requests went to a share of a quarter", got)
	}
	if st := r.pool.Status(); st.Rollout == nil || st.Rollout.Canary != 25 || st.Generation != 1 {
		t.Errorf("%+v", st)
	}
	if p := x.Progress(); p.New.Requests < int64(got) || p.Old.Requests == 0 {
		t.Errorf("%+v, %d seen", p, got)
	}
	x.Commit()
	l.must(2)
	r.more(l, 50)
	r.settle(x)
	r.finish(l)
}

// TestSwapProbe: a new version is asked before it serves, and what it does then harms nobody.
func TestSwapProbe(t *testing.T) {
	r := startSwaps(t, pool.Settings{}, false)
	x := r.replace(build(t, 2), false)
	probe := func(query string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		x.Execute(w, httptest.NewRequest("GET", "/process.so?"+query, nil), &executor.Target{App: &executor.App{}, ScriptName: "/process.so"})
		return w
	}
	if w := probe("x"); w.Code != 200 || w.Header().Get("X-Version") != "2" {
		t.Errorf("%d by %q", w.Code, w.Header().Get("X-Version"))
	}
	if w := probe("crash"); w.Code != 500 {
		t.Errorf("%d", w.Code)
	}
	if p := x.Progress(); p.New.Crashes != 1 || p.New.Errors != 1 || p.New.Requests != 2 || p.Down != "" {
		t.Errorf("%+v", p)
	}
	if w := probe("x"); w.Code != 200 || w.Header().Get("X-Version") != "2" {
		t.Errorf("another worker: %d by %q", w.Code, w.Header().Get("X-Version"))
	}
	r.served(1)
	if err := x.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	if w := probe("x"); w.Code != 503 {
		t.Errorf("after its end: %d", w.Code)
	}
	r.until("settled", settled(1))
}

// TestSwapBack: going back loses nothing, before and after the commit, and when the old workers are gone.
func TestSwapBack(t *testing.T) {
	for _, when := range []string{"before", "after", "after, hold", "old one killed"} {
		t.Run(when, func(t *testing.T) {
			leavesNoTrace(t)
			hold := when == "after, hold"
			r := startSwaps(t, mortal(1), hold)
			old := r.pids()
			l := r.versions(mixed...)
			x := r.replace(build(t, 2), hold)
			l.must(0)
			switch when {
			case "before":
				x.Share(0.5)
				r.more(l, 20)
			case "old one killed":
				x.Commit()
				l.must(2)
				r.more(l, 20)
				r.until("only the warm one is idle", func(st pool.Status) bool { return st.Workers[0].State == "warm" && st.Workers[0].InFlight == 0 })
				_ = syscall.Kill(old[0], syscall.SIGKILL)
				r.until("it is gone", func(st pool.Status) bool { return len(st.Workers) == 1 })
				r.more(l, 20)
			default:
				x.Commit()
				l.must(2)
				r.more(l, 20)
			}
			l.must(0)
			if err := x.Revert(t.Context()); err != nil {
				t.Error(err)
			}
			l.must(1)
			r.more(l, 20)
			r.finish(l)
			r.until("settled", settled(1))
			if pids := r.pids(); slices.Equal(pids, old) != (when == "before" || when == "after") {
				t.Errorf("served by %d, before it was %d", pids, old)
			}
			if p := x.Progress(); p.Lost != 0 || p.Old.Crashes != 0 || p.New.Crashes != 0 {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestSwapHoldKilled: the new version is killed while requests are held for it.
func TestSwapHoldKilled(t *testing.T) {
	leavesNoTrace(t)
	r := startSwaps(t, mortal(1), true)
	x := r.replace(build(t, 2), true)
	held := r.later("POST", "x")
	r.until("one waits", func(st pool.Status) bool { return st.Waiting == 1 })
	for _, pid := range r.pids() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	r.until("it is started again", func(st pool.Status) bool {
		return len(st.Workers) == 1 && st.Workers[0].Worker == 3 && st.Workers[0].State == "ready"
	})
	if p := x.Progress(); p.Down != "" || p.New.Crashes != 0 || p.Held != 1 {
		t.Errorf("%+v", p)
	}
	if err := x.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	if a := <-held; a.header.Get("X-Version") != "1" {
		t.Errorf("held: %v", a)
	}
	r.served(1)
}

// TestSwapHangs: a request that does not end is named when the old version is to end, and ended.
func TestSwapHangs(t *testing.T) {
	for _, hold := range []bool{false, true} {
		r := startSwaps(t, pool.Settings{Shutdown: 500 * time.Millisecond}, hold)
		slow := r.later("POST", "hang")
		r.inFlight(1)
		x := r.replace(build(t, 2), hold)
		x.Commit()
		r.served(2)
		if err := x.Settle(t.Context()); err == nil || !strings.Contains(err.Error(), "/process.so?hang") {
			t.Errorf("settle: %v", err)
		}
		if a := <-slow; a.status != 502 {
			t.Errorf("%v", a)
		}
		if p := x.Progress(); p.Lost != 1 || p.Old.Crashes != 0 || p.New.Crashes != 0 {
			t.Errorf("%+v", p)
		}
		r.until("settled", settled(1))
	}
}

// TestSwapKilledUnderLoad: workers are killed at random while versions follow one another; no safe request fails.
func TestSwapKilledUnderLoad(t *testing.T) {
	leavesNoTrace(t)
	r := startSwaps(t, mortal(2), false)
	l := r.versions("GET", "GET", "GET", "GET", "GET", "GET")
	l.must(0)
	var stop atomic.Bool
	var killer sync.WaitGroup
	n := 0
	killer.Go(func() {
		killed, least := map[int]bool{}, 0
		for ; !stop.Load(); time.Sleep(time.Millisecond) {
			if l.sum() < least {
				continue
			}
			least = l.sum() + rand.IntN(60)
			if pids := fresh(r.pool.Status(), killed); len(pids) > 0 {
				pid := pids[rand.IntN(len(pids))]
				killed[pid] = true
				_ = syscall.Kill(pid, syscall.SIGKILL)
				n++
			}
		}
	})
	swaps, given := 0, 0
	for tries := kills(10, 300); tries > 0; tries-- {
		to := 1 + (swaps+1)%2
		x, err := r.exec.Replace(t.Context(), build(t, to), executor.Replacing{})
		if err != nil {
			given++ // it was killed before it was ready
			continue
		}
		x.Commit()
		l.must(to)
		r.more(l, 20)
		l.must(0)
		if err := x.Settle(t.Context()); err != nil {
			t.Log(err)
		}
		swaps++
	}
	stop.Store(true)
	killer.Wait()
	r.finish(l)
	if swaps == 0 {
		t.Error("nothing was replaced")
	}
	t.Logf("%d replacements, %d given up, %d workers killed", swaps, given, n)
}

// TestSwapLeavesNothing: after many replacements there is as much of everything as after a few.
func TestSwapLeavesNothing(t *testing.T) {
	leavesNoTrace(t)
	r := startSwaps(t, pool.Settings{}, false)
	versions := []executor.Version{build(t, 1), build(t, 2)}
	rounds := func(n int) {
		for i := range n {
			x := r.replace(versions[(i+1)%2], i%10 == 9)
			if i%7 == 6 {
				if err := x.Revert(t.Context()); err != nil {
					t.Fatal(err)
				}
				continue
			}
			x.Commit()
			r.settle(x)
		}
		r.until("settled", settled(1))
		r.server.Client().CloseIdleConnections()
	}
	rounds(5)
	before := count()
	children := len(before.children) // the worker, and what Wine has left of earlier tests
	before.children, before.files = nil, nil
	rounds(kills(100, 1000))
	now := count()
	if len(now.children) > children || len(now.files) != 1 {
		t.Errorf("%d children, staging %q", len(now.children), now.files)
	}
	before.children, before.files = now.children, now.files
	if left := before.left(); left != "" {
		t.Errorf("left: %s", left)
	}
	if st := r.pool.Status(); st.Totals.Crashes > 0 {
		t.Errorf("%+v", st)
	}
}
