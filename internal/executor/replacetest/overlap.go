package replacetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testwait"
)

func isClosed(err error) bool { return errors.Is(err, executor.ErrClosed) }

// testUnderLoad: no request is lost while one version follows another, and none that begins after a commit gets the old one.
func testUnderLoad(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	c := x.load(8)
	defer c.end()
	for n := 2; n <= 6; n++ {
		c.until(n-1, 20)
		r := x.replace(s.version(t, n), executor.Replacing{})
		r.Commit()
		c.committed(n)
		c.until(n, 20)
		x.settle(r)
		if p := r.Progress(); p.Lost != 0 || p.Held != 0 || p.OldInside != 0 || p.Old.Requests == 0 || p.New.Requests == 0 {
			t.Errorf("version %d: %+v", n, p)
		}
		if got, want := x.ex.Description(), fmt.Sprint("version ", n); got != want {
			t.Errorf("description %q, want %q", got, want)
		}
	}
}

// testNewAloneFirst: before the commit only who asks for the new version gets it.
func testNewAloneFirst(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	r := x.replace(s.version(t, 2), executor.Replacing{})
	for range 3 {
		if got := x.alone(r); got != "200 2" {
			t.Errorf("the new version alone: %q", got)
		}
		if got := x.get(""); got != "200 1" {
			t.Errorf("the others: %q", got)
		}
	}
	if got := x.ex.Description(); got != "version 1" {
		t.Errorf("description %q", got)
	}
	if p := r.Progress(); p.OldGeneration >= p.NewGeneration || p.Old.Requests != 4 || p.New.Requests != 3 || p.Down != "" || p.New.Errors != 0 {
		t.Errorf("progress %+v", p)
	}
	r.Commit()
	if got := x.get(""); got != "200 2" {
		t.Errorf("after the commit: %q", got)
	}
	x.settle(r)
}

// testBadVersions: a version that cannot serve changes nothing, and the error says why.
func testBadVersions(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	garbage := filepath.Join(t.TempDir(), "garbage.so")
	if err := os.WriteFile(garbage, []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := s.version(t, 2)
	wrong.SHA256 = strings.Repeat("0", 64)
	c := x.load(4)
	defer c.end()
	for name, bad := range map[string]struct {
		version executor.Version
		want    string
	}{
		"no image":    {versionOf(t, garbage), "a text or source file, not a shared library"},
		"no export":   {s.version(t, 2, "-DNOPROC"), "HttpExtensionProc"},
		"refuses":     {s.version(t, 2, "-DREFUSE"), "GetExtensionVersion returned FALSE"},
		"crashes":     {s.version(t, 2, "-DCRASH"), s.segv()},
		"other bytes": {wrong, "it is not the version that is wanted"},
		"missing":     {executor.Version{File: filepath.Join(t.TempDir(), "missing.so")}, "missing.so"},
	} {
		r, err := x.ex.Replace(t.Context(), bad.version, executor.Replacing{})
		if err == nil {
			t.Errorf("%s: it is replaced", name)
			_ = r.Revert(t.Context())
			continue
		}
		if !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v; want %q in it", name, err, bad.want)
		}
	}
	r := x.replace(s.version(t, 2), executor.Replacing{})
	r.Commit()
	c.committed(2)
	c.until(2, 5)
	x.settle(r)
}

// testShare: about the part of the requests that is wanted goes to the new version.
func testShare(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	r := x.replace(s.version(t, 2), executor.Replacing{})
	const n = 400
	for _, part := range []float64{0.25, 0, 1, 0.5} {
		r.Share(part)
		news := 0
		for range n {
			switch got := x.get(""); got {
			case "200 1":
			case "200 2":
				news++
			default:
				t.Fatalf("answered %q", got)
			}
		}
		if got := float64(news) / n; math.Abs(got-part) > 0.13 || part == 0 && news > 0 || part == 1 && news < n { // five times its standard deviation
			t.Errorf("the new version got %.2f of the requests, want %.2f", got, part)
		}
	}
	r.Commit()
	r.Share(0) // does nothing any more
	if got := x.get(""); got != "200 2" {
		t.Errorf("after the commit: %q", got)
	}
	x.settle(r)
}

func testRevertBeforeCommit(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	c := x.load(4)
	defer c.end()
	r := x.replace(s.version(t, 2), executor.Replacing{})
	r.Share(0.5)
	c.until(2, 10)
	for range 2 { // a second time changes nothing
		if err := r.Revert(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for range 5 {
		if got := x.get(""); got != "200 1" {
			t.Errorf("after it was taken back: %q", got)
		}
	}
	if err := r.Settle(t.Context()); err == nil {
		t.Error("what was taken back is settled")
	}
	x.happens("unloaded 2")
}

// testRevertAfterCommit: the old version is warm until it is settled.
func testRevertAfterCommit(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	begun := 0
	for round := range 4 {
		if round == 1 {
			begun = x.count("loaded 1")
		}
		r := x.replace(s.version(t, 2), executor.Replacing{})
		r.Commit()
		if got := x.get(""); got != "200 2" {
			t.Errorf("after the commit: %q", got)
		}
		if err := r.Revert(t.Context()); err != nil {
			t.Error(err)
		}
		if got := x.get(""); got != "200 1" {
			t.Errorf("after it was taken back: %q", got)
		}
		if got := x.ex.Description(); got != "version 1" {
			t.Errorf("description %q", got)
		}
	}
	if n := x.count("loaded 1"); n != begun {
		t.Errorf("version 1 was loaded %d times more", n-begun)
	}
	r := x.replace(s.version(t, 2), executor.Replacing{})
	r.Commit()
	x.settle(r)
	if err := r.Revert(t.Context()); err == nil || !strings.Contains(err.Error(), "the old version has ended already") {
		t.Errorf("taken back after it was settled: %v", err)
	}
}

// testTurnByTurn: a replacement waits for the one before it.
func testTurnByTurn(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	r := x.replace(s.version(t, 2), executor.Replacing{})
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := x.ex.Replace(soon, s.version(t, 3), executor.Replacing{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("before its turn: %v", err)
	}
	next := make(chan executor.Replacement, 1)
	v3 := s.version(t, 3)
	go func() {
		r, err := x.ex.Replace(t.Context(), v3, executor.Replacing{})
		if err != nil {
			t.Error(err)
		}
		next <- r
	}()
	r.Commit()
	if got := x.get(""); got != "200 2" {
		t.Errorf("the first: %q", got)
	}
	x.settle(r)
	if r = <-next; r == nil {
		return
	}
	r.Commit()
	if got := x.get(""); got != "200 3" {
		t.Errorf("the second: %q", got)
	}
	x.settle(r)
}

// testInFlight: what is in the old version at the commit is answered by it, however long it takes, and counted meanwhile.
func testInFlight(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	answer := x.getLater("wait")
	x.happens("waiting 1")
	r := x.replace(s.version(t, 2), executor.Replacing{})
	testwait.Until(t, "the request inside", func() bool { return r.Progress().OldInside == 1 })
	r.Commit()
	if got := x.get(""); got != "200 2" {
		t.Errorf("after the commit: %q", got)
	}
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Settle(now); err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("settled with a request inside: %v", err)
	}
	x.write("go", "x")
	if got := <-answer; got != "200 1" {
		t.Errorf("the request of the old version: %q", got)
	}
	x.settle(r)
	if p := r.Progress(); p.OldInside != 0 || p.Lost != 0 {
		t.Errorf("progress %+v", p)
	}
}

// testCrashes: what goes wrong in the new version is counted as its own.
func testCrashes(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	r := x.replace(s.version(t, 2), executor.Replacing{})
	r.Commit()
	if got := x.get("fail=2"); !strings.HasPrefix(got, "500") {
		t.Errorf("an error: %q", got)
	}
	if got := x.get("crash=2"); !strings.HasPrefix(got, "50") {
		t.Errorf("a crash: %q", got)
	}
	testwait.Until(t, "the crash in the count", func() bool { return r.Progress().New.Crashes == 1 })
	if p := r.Progress(); p.New.Errors < 1 || p.Old.Crashes != 0 || p.Old.Errors != 0 {
		t.Errorf("progress %+v", p)
	}
	if err := r.Revert(t.Context()); err != nil {
		t.Error(err)
	}
	if got := x.get("crash=2"); got != "200 1" {
		t.Errorf("after it was taken back: %q", got)
	}
}

// testClose: an executor can be closed at any point of a replacement.
func testClose(t *testing.T, s *suite) {
	for name, reach := range map[string]func(*trial){
		"ready":     func(x *trial) { x.replace(s.version(t, 2), executor.Replacing{}) },
		"hold":      func(x *trial) { x.replace(s.version(t, 2), executor.Replacing{Hold: true}) },
		"shared":    func(x *trial) { x.replace(s.version(t, 2), executor.Replacing{}).Share(0.5) },
		"committed": func(x *trial) { x.replace(s.version(t, 2), executor.Replacing{}).Commit() },
		"reverted": func(x *trial) {
			if err := x.replace(s.version(t, 2), executor.Replacing{}).Revert(t.Context()); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := s.start(t, executor.Options{})
			reach(x)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := x.ex.Close(ctx); err != nil {
				t.Error(err)
			}
			if _, err := x.ex.Replace(ctx, s.version(t, 3), executor.Replacing{}); !isClosed(err) {
				t.Errorf("replaced after the end: %v", err)
			}
			if got := x.get(""); !strings.HasPrefix(got, "503") {
				t.Errorf("a request after the end: %q", got)
			}
		})
	}
}
