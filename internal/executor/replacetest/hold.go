package replacetest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testwait"
)

var hold = executor.Replacing{Hold: true}

// together says whether two versions were loaded at a time.
func together(life []string) bool {
	loaded := map[string]int{}
	for _, event := range life {
		what, version, _ := strings.Cut(event, " ")
		switch what {
		case "loaded":
			loaded[version]++
		case "unloaded":
			if loaded[version]--; loaded[version] == 0 {
				delete(loaded, version)
			}
		}
		if len(loaded) > 1 {
			return true
		}
	}
	return false
}

// testHold: the old version has ended before the new one begins. Requests wait meanwhile, and until the commit.
func testHold(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	inside := x.getLater("wait")
	type replaced struct {
		executor.Replacement
		error
	}
	done := make(chan replaced, 1)
	v2 := s.version(t, 2)
	x.happens("waiting 1")
	go func() {
		r, err := x.ex.Replace(t.Context(), v2, hold)
		done <- replaced{r, err}
	}()
	held := x.getLater("")
	x.write("go", "x")
	if got := <-inside; got != "200 1" {
		t.Errorf("the request that was inside: %q", got)
	}
	r := <-done
	if r.error != nil {
		t.Fatal(r.error)
	}
	late := x.getLater("")
	testwait.Until(t, "a request that waits", func() bool { return r.Progress().Held >= 1 })
	r.Share(1) // does nothing
	if got := x.alone(r); got != "200 2" {
		t.Errorf("the new version alone: %q", got)
	}
	select {
	case got := <-late:
		t.Errorf("answered before the commit: %q", got)
	default:
	}
	r.Commit()
	if got := <-late; got != "200 2" {
		t.Errorf("the request that waited: %q", got)
	}
	if got := <-held; got != "200 1" && got != "200 2" {
		t.Errorf("a request that came meanwhile: %q", got)
	}
	x.settle(r)
	if p := r.Progress(); p.Held < 1 || p.Longest <= 0 || p.Lost != 0 {
		t.Errorf("progress %+v", p)
	}
	if life := x.life(); together(life) {
		t.Errorf("two versions at a time: %q", life)
	}
}

// testHoldUnderLoad: no request is lost by waiting.
func testHoldUnderLoad(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	c := x.load(8)
	defer c.end()
	for n := 2; n <= 4; n++ {
		c.until(n-1, 20)
		r := x.replace(s.version(t, n), hold)
		r.Commit()
		c.committed(n)
		x.settle(r)
		if p := r.Progress(); p.Lost != 0 {
			t.Errorf("version %d: %+v", n, p)
		}
	}
	c.until(4, 20)
	if life := x.life(); together(life) {
		t.Errorf("two versions at a time: %q", life)
	}
}

// testHoldFails: when the new version does not come up, the old one serves those who waited.
func testHoldFails(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	c := x.load(4)
	defer c.end()
	for _, flag := range []string{"-DREFUSE", "-DCRASH"} {
		if _, err := x.ex.Replace(t.Context(), s.version(t, 2, flag), hold); err == nil || !strings.Contains(err.Error(), "GetExtensionVersion") {
			t.Errorf("%s: %v", flag, err)
		}
		if got := x.get(""); got != "200 1" {
			t.Errorf("%s: %q", flag, got)
		}
	}
	r := x.replace(s.version(t, 2), hold)
	r.Commit()
	c.committed(2)
	c.until(2, 5)
	x.settle(r)
	if life := x.life(); together(life) {
		t.Errorf("two versions at a time: %q", life)
	}
}

// testHoldReverted: the old version is loaded again when the new one has ended, before the commit and after it.
func testHoldReverted(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{})
	c := x.load(4)
	defer c.end()
	for _, commit := range []bool{false, true} {
		r := x.replace(s.version(t, 2), hold)
		if commit {
			r.Commit()
			c.until(2, 5)
		}
		if err := r.Revert(t.Context()); err != nil {
			t.Error(err)
		}
		if got := x.get(""); got != "200 1" {
			t.Errorf("taken back, committed %v: %q", commit, got)
		}
		if p := r.Progress(); p.Lost != 0 {
			t.Errorf("taken back, committed %v: %+v", commit, p)
		}
	}
	if life := x.life(); together(life) {
		t.Errorf("two versions at a time: %q", life)
	}
}

// testHoldFull: as many requests wait as there are places; the next is sent away for a while.
func testHoldFull(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{Queue: 2})
	r := x.replace(s.version(t, 2), hold)
	a, b := x.getLater(""), x.getLater("")
	testwait.Until(t, "two requests that wait", func() bool { return r.Progress().Held == 2 })
	x.refused()
	r.Commit()
	for _, got := range []string{<-a, <-b} {
		if got != "200 2" {
			t.Errorf("a request that waited: %q", got)
		}
	}
	x.settle(r)
	if p := r.Progress(); p.Lost != 1 {
		t.Errorf("progress %+v, want one request lost", p)
	}
}

// testHoldTooLong: nobody waits longer than is allowed.
func testHoldTooLong(t *testing.T, s *suite) {
	x := s.start(t, executor.Options{QueueWait: 20 * time.Millisecond})
	r := x.replace(s.version(t, 2), hold)
	x.refused()
	r.Commit()
	if got := x.get(""); got != "200 2" {
		t.Errorf("after the commit: %q", got)
	}
	x.settle(r)
}

// refused fails unless a request is sent away, and told when to come again.
func (x *trial) refused() {
	x.t.Helper()
	res, err := x.srv.Client().Get(x.srv.URL + "/shop.so")
	if err != nil {
		x.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		x.t.Errorf("%s, Retry-After %q; want 503 and a time", res.Status, res.Header.Get("Retry-After"))
	}
}
