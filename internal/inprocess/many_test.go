//go:build linux

package inprocess_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/replacetest"
)

// TestManySwaps: hundreds of replacements under load lose nothing and leave nothing: no descriptors, mappings, files, goroutines or
// threads.
func TestManySwaps(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	rounds := 500
	if os.Getenv("ISAPID_SOAK") != "" {
		rounds = 10_000
	}
	versions := []executor.Version{replacetest.Version(t, 1), replacetest.Version(t, 2)}
	goroutines := runtime.NumGoroutine()
	x := start(t, executor.Options{Version: versions[0]}, limits)
	if err := os.Remove(filepath.Join(x.dir, "life")); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var asked atomic.Int64
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for !stop.Load() {
				if got := x.get(""); got != "200 1" && got != "200 2" {
					t.Errorf("answered %q", got)
					return
				}
				asked.Add(1)
				time.Sleep(100 * time.Microsecond)
			}
		})
	}
	var before census
	for n := 1; n <= rounds && !t.Failed(); n++ {
		if n == rounds/5 { // what Go and the loader keep, they have by now
			before = count()
		}
		r := x.replace(versions[n%2], executor.Replacing{Hold: n%5 == 0})
		r.Share(0.5)
		if n%7 == 0 {
			if err := r.Revert(context.Background()); err != nil {
				t.Error(err)
			}
			r = x.replace(versions[n%2], executor.Replacing{})
		}
		r.Commit()
		x.settle(r)
		if p := r.Progress(); p.Lost != 0 {
			t.Errorf("replacement %d: %+v", n, p)
		}
	}
	now := count()
	stop.Store(true)
	clients.Wait()
	if err := x.Close(context.Background()); err != nil {
		t.Error(err)
	}
	t.Logf("%d requests, %d faults; %+v, before %+v", asked.Load(), x.Faults(), now, before)
	if now.descriptors > before.descriptors+20 || now.threads > before.threads+10 { // of the versions that are there just now
		t.Errorf("%+v after %d replacements, %+v before", now, rounds, before)
	}
	if left := append(glob(filepath.Join(tmp, "*")), mapped(tmp)...); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("goroutines are left: %s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// census is what this process has at a moment.
type census struct{ descriptors, threads int }

func count() census { return census{len(glob("/proc/self/fd/*")), len(glob("/proc/self/task/*"))} }

func glob(pattern string) []string {
	list, _ := filepath.Glob(pattern)
	return list
}

// mapped are the files of a folder that this process has mapped, a line of its map each.
func mapped(dir string) (list []string) {
	b, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, dir) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}
