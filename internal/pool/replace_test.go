package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
)

var errBad = errors.New("GetExtensionVersion returned FALSE")

// swapTest is a pool that runs version one of an image.
type swapTest struct {
	*testing.T
	p *Pool
	f *factory
	e executor.Replaceable
}

// playSwap runs a test with such a pool. The answer to a request is the version that ran it.
func playSwap(t *testing.T, set Settings, test func(t *swapTest)) {
	f := &factory{handle: func(p *puppet, w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Version", p.loaded.File)
		return nil
	}}
	play(t, set, f, func(t *testing.T, p *Pool) {
		e, err := p.Open(t.Context(), "a.so", one)
		if err != nil {
			t.Fatal(err)
		}
		test(&swapTest{t, p, f, e})
	})
}

func (t *swapTest) replace(how executor.Replacing) executor.Replacement {
	t.Helper()
	r, err := t.e.Replace(t.Context(), two, how)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answers has the test fail unless n requests are answered by a version.
func (t *swapTest) answers(by executor.Version, n int) {
	t.Helper()
	for range n {
		if w := call(t.e, "POST"); w.Code != 200 || w.Header().Get("Version") != by.File {
			t.Fatalf("%d by %q, want 200 by %q", w.Code, w.Header().Get("Version"), by.File)
		}
	}
}

// later runs a request in the background. The channel gets the version that ran it, or the status if that is not 200.
func (t *swapTest) later(method string) <-chan string {
	c := make(chan string, 1)
	go func() {
		w := call(t.e, method)
		if w.Code == 200 {
			c <- w.Header().Get("Version")
		} else {
			c <- fmt.Sprint(w.Code)
		}
	}()
	return c
}

// blocked has all requests wait until the channel is closed; later ones do not.
func (t *swapTest) blocked(n int, method string) (gate chan struct{}, answers []<-chan string) {
	gate = make(chan struct{})
	handle := t.f.handle
	t.f.set(func() {
		t.f.handle = func(p *puppet, w http.ResponseWriter, r *http.Request) error {
			select {
			case <-gate:
				return handle(p, w, r)
			case <-p.gone:
				return &remote.Lost{Held: true, Obit: p.obit}
			}
		}
	})
	for range n {
		answers = append(answers, t.later(method))
	}
	synctest.Wait()
	t.f.set(func() { t.f.handle = handle })
	return gate, answers
}

func (t *swapTest) states() (list []string) {
	synctest.Wait()
	for _, w := range t.p.Status().Workers {
		list = append(list, fmt.Sprintf("%d:%s", w.Generation, w.State))
	}
	return list
}

func (t *swapTest) has(states ...string) {
	t.Helper()
	if got := t.states(); strings.Join(got, " ") != strings.Join(states, " ") {
		t.Errorf("workers %v, want %v", got, states)
	}
}

// outside kills a worker as somebody else would.
func (p *puppet) outside() {
	p.end(remote.Obituary{Exit: proc.Exit{Code: -1, Signal: syscall.SIGKILL}})
}

// of are the workers that loaded a version and are not gone.
func (f *factory) of(v executor.Version) (list []*puppet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.all {
		select {
		case <-p.gone:
		default:
			if p.loaded == v {
				list = append(list, p)
			}
		}
	}
	return list
}

func TestReplace(t *testing.T) {
	playSwap(t, Settings{Workers: 2}, func(t *swapTest) {
		t.answers(one, 10)
		r := t.replace(executor.Replacing{Reason: "test"})
		t.has("1:ready", "1:ready", "2:ready", "2:ready")
		t.answers(one, 20)
		if st := t.p.Status(); st.Rollout == nil || st.Rollout.Stage != "ready" || st.Rollout.Version != "222222222222" || st.Rollout.Image != "a.so" || st.Images[0].SHA256 != one.SHA256 {
			t.Errorf("%+v", st)
		}
		w := httptest.NewRecorder()
		if res := r.Execute(w, httptest.NewRequest("GET", "/probe", nil), &executor.Target{}); res.Status != 200 || w.Header().Get("Version") != two.File {
			t.Errorf("probe: %+v by %q", res, w.Header().Get("Version"))
		}

		r.Share(0.3)
		if st := t.p.Status(); st.Rollout.Canary != 30 {
			t.Errorf("canary %d", st.Rollout.Canary)
		}
		by := map[string]int{}
		for range 2000 {
			by[call(t.e, "GET").Header().Get("Version")]++
		}
		if n := by[two.File]; n < 450 || n > 750 || n+by[one.File] != 2000 {
			t.Errorf("with a share of 0.3: %v", by)
		}
		r.Share(0)
		t.answers(one, 20)
		r.Share(7)
		t.answers(two, 20)
		r.Share(0)

		gate, slow := t.blocked(3, "POST")
		r.Commit()
		t.answers(two, 20)
		if p := r.Progress(); p.OldGeneration != 1 || p.NewGeneration != 2 || p.OldInside != 3 || p.Down != "" || p.Held != 0 || p.Lost != 0 ||
			p.Old.Requests != int64(10+20+20+by[one.File]) || p.New.Requests != int64(1+20+20+by[two.File]) {
			t.Errorf("%+v, by %v", p, by)
		}
		t.has("1:warm", "1:warm", "2:ready", "2:ready")
		settled := make(chan error)
		go func() { settled <- r.Settle(t.Context()) }()
		t.answers(two, 20)
		close(gate)
		for _, c := range slow {
			if got := <-c; got != one.File {
				t.Errorf("a request of the old version: %s", got)
			}
		}
		if err := <-settled; err != nil {
			t.Error(err)
		}
		t.has("2:ready", "2:ready")
		if st := t.p.Status(); st.Generation != 2 || st.Because != "test" || st.Rollout != nil || st.Images[0].SHA256 != two.SHA256 || st.Totals.Crashes != 0 {
			t.Errorf("%+v", st)
		}
		if err := r.Revert(t.Context()); err == nil {
			t.Error("reverted after it was settled")
		}
		for _, m := range []string{"replacement begins", "new version is ready", "new version serves", "old version is let go"} {
			if !t.f.logged(m) {
				t.Errorf("no line %q", m)
			}
		}

		t.f.of(two)[0].crash() // what takes its place has the same version
		time.Sleep(time.Second)
		t.p.Recycle("test")
		synctest.Wait()
		t.answers(two, 10)
		if n := len(t.f.of(two)); n != 2 || len(t.f.of(one)) != 0 {
			t.Errorf("%d workers have the new version", n)
		}
	})
}

// TestReplaceBad: a version that does not come up leaves everything as it was, and is not tried again.
func TestReplaceBad(t *testing.T) {
	for name, bad := range map[string]func(*puppet) error{
		"refused": func(*puppet) error { return errBad },
		"crash":   func(p *puppet) error { p.crash(); return nil },
		"exit":    func(p *puppet) error { p.end(remote.Obituary{Exit: proc.Exit{Code: 3}}); return nil },
		"killed":  func(p *puppet) error { p.outside(); return nil },
		"hang":    func(p *puppet) error { p.stuck = true; return nil },
	} {
		for _, hold := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hold %v", name, hold), func(t *testing.T) {
				playSwap(t, Settings{Workers: 2, Startup: time.Minute}, func(t *swapTest) {
					t.f.set(func() {
						t.f.version = func(p *puppet, v executor.Version) error {
							if v == two {
								return bad(p)
							}
							return nil
						}
					})
					t.answers(one, 1)
					done := make(chan error)
					go func() {
						_, err := t.e.Replace(t.Context(), two, executor.Replacing{Hold: hold})
						done <- err
					}()
					synctest.Wait()
					t.answers(one, 10) // by those who never stopped, or by those who came back
					err := <-done
					var died *remote.Obituary
					switch {
					case name == "refused" && !errors.Is(err, errBad),
						name == "hang" && (err == nil || !strings.Contains(err.Error(), "1m0s")),
						name != "refused" && name != "hang" && !errors.As(err, &died):
						t.Errorf("%v", err)
					}
					t.answers(one, 10)
					synctest.Wait()
					_, starts := t.f.last()
					time.Sleep(time.Hour)
					if _, n := t.f.last(); n != starts || len(t.f.of(one)) != 2 || len(t.f.of(two)) != 0 {
						t.Errorf("%d starts, then %d", starts, n)
					}
					if st := t.p.Status(); st.State != StateRunning || st.Crashes != 0 || st.Rollout != nil || st.Images[0].Error != "" || st.Images[0].SHA256 != one.SHA256 {
						t.Errorf("%+v", st)
					}
					if _, err := t.e.Replace(t.Context(), one, executor.Replacing{Hold: hold}); err != nil {
						t.Errorf("the next: %v", err)
					}
				})
			})
		}
	}
}

// alone has the test fail if two versions are there at the same time.
func (t *swapTest) alone() {
	t.f.set(func() {
		t.f.onStart = func(p *puppet) {
			for _, o := range t.f.all[:len(t.f.all)-1] {
				select {
				case <-o.gone:
				default:
					if o.loaded != (executor.Version{}) {
						t.Errorf("worker %d starts beside worker %d, which has %s", p.pid, o.pid, o.loaded.File)
					}
				}
			}
		}
	})
}

func TestReplaceHold(t *testing.T) {
	for _, end := range []string{"commit", "revert", "killed", "commit, revert"} {
		t.Run(end, func(t *testing.T) {
			playSwap(t, Settings{}, func(t *swapTest) {
				t.alone()
				t.answers(one, 5)
				gate, slow := t.blocked(1, "POST")
				ready := make(chan executor.Replacement)
				go func() { ready <- t.replace(executor.Replacing{Hold: true}) }()
				synctest.Wait()
				held := []<-chan string{t.later("POST"), t.later("POST")}
				synctest.Wait()
				if st := t.p.Status(); st.Waiting != 2 || st.Rollout.Stage != "emptying" {
					t.Errorf("%+v", st)
				}
				time.Sleep(7 * time.Second)
				close(gate)
				if got := <-slow[0]; got != one.File {
					t.Errorf("the slow request: %s", got)
				}
				r := <-ready
				synctest.Wait()
				if p := r.Progress(); p.Held != 2 || len(t.f.of(one)) != 0 || t.p.Status().Waiting != 2 {
					t.Errorf("%+v", p)
				}
				r.Share(1)
				if t.p.Status().Waiting != 2 {
					t.Error("the share had an effect")
				}
				want := one
				switch end {
				case "killed":
					t.f.set(func() {
						t.f.version = func(_ *puppet, v executor.Version) error {
							if v == two {
								return errBad
							}
							return nil
						}
					})
					t.f.of(two)[0].outside()
					synctest.Wait()
					if p := r.Progress(); p.Down != errBad.Error() {
						t.Errorf("%+v", p)
					}
					fallthrough
				case "revert":
					if err := r.Revert(t.Context()); err != nil {
						t.Error(err)
					}
				case "commit":
					want = two
					r.Commit()
				case "commit, revert":
					r.Commit()
					for _, c := range held {
						if got := <-c; got != two.File {
							t.Errorf("a held request: %s", got)
						}
					}
					held = nil
					gate, slow := t.blocked(1, "POST")
					go func() {
						time.Sleep(time.Second)
						close(gate)
					}()
					if err := r.Revert(t.Context()); err != nil {
						t.Error(err)
					}
					if got := <-slow[0]; got != two.File {
						t.Errorf("the slow request: %s", got)
					}
				}
				for _, c := range held {
					if got := <-c; got != want.File {
						t.Errorf("a held request: %s", got)
					}
				}
				t.answers(want, 10)
				if p := r.Progress(); p.Held != 2 || p.Longest != 7*time.Second || p.Lost != 0 {
					t.Errorf("%+v", p)
				}
				if want == two {
					if err := r.Settle(t.Context()); err != nil {
						t.Error(err)
					}
				}
				t.p.is(t.T, StateRunning, 1)
			})
		})
	}
}

// TestReplaceHoldLimits: requests that are held are held no longer than others wait, and not more of them.
func TestReplaceHoldLimits(t *testing.T) {
	playSwap(t, Settings{Executor: executor.Options{Queue: 2, QueueWait: 3 * time.Second}}, func(t *swapTest) {
		gate, slow := t.blocked(1, "POST")
		ready := make(chan executor.Replacement)
		go func() { ready <- t.replace(executor.Replacing{Hold: true}) }()
		synctest.Wait()
		held := []<-chan string{t.later("GET"), t.later("GET")}
		synctest.Wait()
		if got := <-t.later("GET"); got != "503" {
			t.Errorf("one too many: %s", got)
		}
		for _, c := range held {
			if got := <-c; got != "503" {
				t.Errorf("too late: %s", got)
			}
		}
		close(gate)
		<-slow[0]
		r := <-ready
		r.Commit()
		if p := r.Progress(); p.Held != 3 || p.Longest != 3*time.Second || p.Lost != 3 {
			t.Errorf("%+v", p)
		}
		t.answers(two, 1)
		if err := r.Settle(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestReplaceRevert(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		playSwap(t, Settings{}, func(t *swapTest) {
			r := t.replace(executor.Replacing{})
			r.Share(1)
			t.answers(two, 5)
			if err := r.Revert(t.Context()); err != nil {
				t.Error(err)
			}
			t.answers(one, 10)
			t.has("1:ready")
			if err := r.Revert(t.Context()); err != nil {
				t.Errorf("once more: %v", err)
			}
			r.Commit() // too late
			r.Share(1)
			t.answers(one, 10)
			if err := r.Settle(t.Context()); err == nil {
				t.Error("settled what was reverted")
			}
		})
	})
	t.Run("after", func(t *testing.T) {
		playSwap(t, Settings{}, func(t *swapTest) {
			r := t.replace(executor.Replacing{})
			r.Commit()
			gate, slow := t.blocked(1, "POST")
			if err := r.Revert(t.Context()); err != nil {
				t.Error(err)
			}
			t.answers(one, 10)
			t.has("1:ready", "2:retiring")
			close(gate)
			if got := <-slow[0]; got != two.File {
				t.Errorf("the slow request: %s", got)
			}
			t.has("1:ready")
			if st := t.p.Status(); st.Generation != 1 || st.Images[0].SHA256 != one.SHA256 {
				t.Errorf("%+v", st)
			}
			again := t.replace(executor.Replacing{})
			if p := again.Progress(); p.OldGeneration != 1 || p.NewGeneration != 3 {
				t.Errorf("%+v", p)
			}
			again.Commit()
			t.answers(two, 1)
			if err := again.Settle(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("nothing is warm", func(t *testing.T) {
		playSwap(t, Settings{}, func(t *swapTest) {
			r := t.replace(executor.Replacing{})
			r.Commit()
			t.f.of(one)[0].outside()
			time.Sleep(time.Hour)
			t.has("2:ready")
			t.f.set(func() {
				t.f.version = func(*puppet, executor.Version) error { time.Sleep(time.Second); return nil }
			})
			done := make(chan error)
			go func() { done <- r.Revert(t.Context()) }()
			synctest.Wait()
			waits := t.later("POST")
			if err := <-done; err != nil {
				t.Error(err)
			}
			if got := <-waits; got != one.File {
				t.Errorf("meanwhile: %s", got)
			}
			t.answers(one, 5)
			t.has("1:ready")
		})
	})
	t.Run("the old one cannot be loaded again", func(t *testing.T) {
		playSwap(t, Settings{Crashes: Crashes{Max: -1}}, func(t *swapTest) {
			r := t.replace(executor.Replacing{})
			r.Commit()
			t.f.of(one)[0].crash()
			synctest.Wait()
			t.f.set(func() { t.f.load = func(string) error { return errBad } })
			if err := r.Revert(t.Context()); !errors.Is(err, errBad) {
				t.Errorf("%v", err)
			}
			t.f.set(func() { t.f.load = nil })
			time.Sleep(time.Hour)
			t.answers(one, 1)
		})
	})
}

// TestReplaceLost: requests that have not reached a worker of the old version when the new one serves, or are repeated then, reach the new
// one.
func TestReplaceLost(t *testing.T) {
	playSwap(t, Settings{Crashes: Crashes{Backoff: time.Hour, BackoffMax: time.Hour}}, func(t *swapTest) {
		_, slow := t.blocked(1, "GET")
		r := t.replace(executor.Replacing{})
		t.f.of(one)[0].crash()
		synctest.Wait()
		queued := t.later("POST")
		time.Sleep(time.Second)
		if n := t.p.Status().Waiting; n != 2 {
			t.Errorf("%d wait, want the new one and the one to be repeated", n)
		}
		r.Commit()
		if got := <-queued; got != two.File {
			t.Errorf("queued: %s", got)
		}
		if got := <-slow[0]; got != two.File {
			t.Errorf("repeated: %s", got)
		}
		if p := r.Progress(); p.Old.Crashes != 1 || p.Old.Requests != 0 || p.New.Crashes != 0 || p.New.Requests != 2 {
			t.Errorf("%+v", p)
		}
		if err := r.Settle(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReplaceTally: what counts against a version.
func TestReplaceTally(t *testing.T) {
	lose := func(end func(*puppet)) func(*puppet, http.ResponseWriter, *http.Request) error {
		return func(p *puppet, _ http.ResponseWriter, _ *http.Request) error {
			end(p)
			return &remote.Lost{Held: true, Obit: p.obit}
		}
	}
	for name, c := range map[string]struct {
		handle func(*puppet, http.ResponseWriter, *http.Request) error
		fault  error
		want   executor.Tally // without times
	}{
		"crash":  {lose((*puppet).crash), nil, executor.Tally{Requests: 1, Errors: 1, Crashes: 1, Lost: 1}},
		"killed": {lose((*puppet).outside), nil, executor.Tally{Lost: 1}},
		"memory": {lose(func(p *puppet) { p.end(remote.Obituary{Exit: proc.Exit{Code: -1, Signal: syscall.SIGKILL, OOM: true}}) }), nil, executor.Tally{Requests: 1, Errors: 1, Crashes: 1, Lost: 1}},
		"fault":  {func(*puppet, http.ResponseWriter, *http.Request) error { return nil }, errors.New("SIGSEGV"), executor.Tally{Requests: 1, Crashes: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			playSwap(t, Settings{Crashes: Crashes{Max: -1}}, func(t *swapTest) {
				r := t.replace(executor.Replacing{})
				r.Commit()
				t.f.set(func() { t.f.handle, t.f.fault = c.handle, c.fault })
				call(t.e, "POST")
				synctest.Wait()
				got := r.Progress()
				got.New.Median, got.New.P95 = 0, 0
				if got.New != c.want || got.Old != (executor.Tally{}) || got.Lost != c.want.Lost {
					t.Errorf("%+v, want %+v", got, c.want)
				}
				if err := r.Settle(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestReplaceTurns: replacements of the pool follow one another, and wait while two old versions drain.
func TestReplaceTurns(t *testing.T) {
	playSwap(t, Settings{Shutdown: time.Hour}, func(t *swapTest) {
		b, err := t.p.Open(t.Context(), "b.so", executor.Version{})
		if err != nil {
			t.Fatal(err)
		}
		first := t.replace(executor.Replacing{})
		var order []string
		second := make(chan executor.Replacement)
		go func() {
			r, err := b.Replace(t.Context(), two, executor.Replacing{})
			if err != nil {
				t.Error(err)
			}
			order = append(order, "second")
			second <- r
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := t.e.Replace(ctx, one, executor.Replacing{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third, which gave up: %v", err)
		}
		gate, _ := t.blocked(1, "POST")
		order = append(order, "commit")
		first.Commit()
		time.Sleep(time.Minute)
		go func() { _ = first.Settle(context.Background()) }()
		r := <-second // one drains
		if got := strings.Join(order, " "); got != "commit second" {
			t.Error(got)
		}
		more, _ := t.blocked(1, "POST")
		r.Commit()
		go func() { _ = r.Settle(context.Background()) }()
		third := make(chan executor.Replacement)
		go func() { third <- t.replace(executor.Replacing{}) }()
		time.Sleep(10 * time.Minute)
		select {
		case <-third:
			t.Error("the third did not wait")
		default:
		}
		if st := t.p.Status(); st.Rollout == nil || st.Rollout.Stage != "waiting" {
			t.Errorf("%+v", st)
		}
		t.answers(two, 1)
		close(gate) // of the first
		last := <-third
		close(more)
		if err := last.Revert(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestReplaceDrainLimit(t *testing.T) {
	playSwap(t, Settings{Shutdown: time.Minute}, func(t *swapTest) {
		_, slow := t.blocked(1, "POST")
		r := t.replace(executor.Replacing{})
		r.Commit()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if err := r.Settle(t.Context()); err == nil || !strings.Contains(err.Error(), "/slow") {
			t.Errorf("%v", err)
		}
		if got := <-slow[0]; got != "502" {
			t.Errorf("the slow request: %s", got)
		}
		if p := r.Progress(); p.Old.Lost != 1 || p.Lost != 1 || p.Old.Crashes != 0 {
			t.Errorf("%+v", p)
		}
		t.has("2:ready")
	})
}

func TestReplaceAsleep(t *testing.T) {
	playSwap(t, Settings{OnDemand: true, Idle: time.Minute}, func(t *swapTest) {
		t.p.is(t.T, StateIdle, 0)
		r := t.replace(executor.Replacing{})
		t.has("2:ready")
		if err := r.Revert(t.Context()); err != nil {
			t.Error(err)
		}
		t.p.is(t.T, StateIdle, 0)

		r = t.replace(executor.Replacing{})
		t.answers(one, 1) // it wakes up the old version
		t.has("3:ready", "1:ready")
		r.Commit()
		time.Sleep(time.Hour)
		t.has("3:ready", "1:warm")
		if err := r.Settle(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		t.p.is(t.T, StateIdle, 0)
		t.answers(two, 1)

		time.Sleep(time.Hour)
		hold := make(chan executor.Replacement)
		go func() { hold <- t.replace(executor.Replacing{Hold: true}) }()
		r = <-hold
		waits := t.later("GET")
		synctest.Wait()
		r.Commit()
		if got := <-waits; got != two.File {
			t.Errorf("held: %s", got)
		}
		if err := r.Settle(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReplaceDegraded: a pool whose version cannot run gets another.
func TestReplaceDegraded(t *testing.T) {
	for _, hold := range []bool{false, true} {
		playSwap(t, Settings{}, func(t *swapTest) {
			t.f.set(func() {
				t.f.version = func(p *puppet, v executor.Version) error {
					if v == one {
						p.crash()
					}
					return nil
				}
			})
			t.f.of(one)[0].crash()
			time.Sleep(time.Minute)
			t.p.is(t.T, StateDegraded, 0)
			r := t.replace(executor.Replacing{Hold: hold})
			if hold {
				waits := t.later("GET")
				synctest.Wait()
				r.Commit()
				if got := <-waits; got != two.File {
					t.Errorf("held: %s", got)
				}
			} else if got := <-t.later("GET"); got != "503" {
				t.Errorf("before the commit: %s", got)
			}
			r.Commit()
			t.answers(two, 10)
			if st := t.p.Status(); st.State != StateRunning || st.Crashes != 0 {
				t.Errorf("%+v", st)
			}
			if err := r.Settle(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReplaceStopped(t *testing.T) {
	playSwap(t, Settings{}, func(t *swapTest) {
		t.p.Stop()
		if _, err := t.e.Replace(t.Context(), two, executor.Replacing{}); err == nil || !strings.Contains(err.Error(), "the pool is stopped") {
			t.Errorf("%v", err)
		}
		t.p.Start()
		synctest.Wait()
		t.answers(one, 1)
	})
}

// TestReplaceInterrupted: whatever happens to the pool at whatever stage of a replacement, who waits gets an answer, requests do, too,
// and nothing is left.
func TestReplaceInterrupted(t *testing.T) {
	events := map[string]func(t *swapTest){
		"stop":               func(t *swapTest) { t.p.Stop() },
		"stop, start":        func(t *swapTest) { t.p.Stop(); t.p.Start() },
		"stop, ended, start": func(t *swapTest) { t.p.Stop(); time.Sleep(time.Hour); t.p.Start() },
		"configure":          func(t *swapTest) { t.p.Configure(Settings{Workers: 3, Log: slog.New(t.f)}, false) },
		"configure, recycle": func(t *swapTest) { t.p.Configure(Settings{Workers: 3, Log: slog.New(t.f)}, true) },
		"recycle":            func(t *swapTest) { t.p.Recycle("test") },
		"image is closed":    closeImage,
		"pool is closed":     func(t *swapTest) { _ = t.p.Close(t.Context()) },
		"all workers crash":  func(t *swapTest) { t.each((*puppet).crash) },
		"all are killed":     func(t *swapTest) { t.each((*puppet).outside) },
		"nothing loads longer": func(t *swapTest) {
			t.f.set(func() { t.f.load = func(string) error { return errBad } })
			t.each((*puppet).crash)
		},
	}
	for name, event := range events {
		for _, hold := range []bool{false, true} {
			for _, stage := range []stage{queued, emptying, proving, proven, serving, settled, withdrawn} {
				t.Run(fmt.Sprintf("%s, %v, hold %v", name, stage, hold), func(t *testing.T) {
					playSwap(t, Settings{Workers: 2, Shutdown: time.Minute}, func(t *swapTest) {
						interrupt(t, event, stage, hold)
					})
				})
			}
		}
	}
}

func (t *swapTest) each(f func(*puppet)) {
	t.f.mu.Lock()
	all := t.f.all
	t.f.mu.Unlock()
	for _, p := range all {
		f(p)
	}
}

func closeImage(t *swapTest) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_ = t.e.Close(ctx)
}

// interrupt has an event happen at a stage, and then ends the replacement.
func interrupt(t *swapTest, event func(*swapTest), at stage, hold bool) {
	t.answers(one, 2)
	var all sync.WaitGroup
	defer all.Wait()
	gate, slow := t.blocked(1, "POST")
	slowStart := func() {
		t.f.set(func() { t.f.version = func(*puppet, executor.Version) error { time.Sleep(time.Second); return nil } })
	}
	var other executor.Replacement
	if at == queued {
		other = t.replace(executor.Replacing{})
	}
	if at == proving {
		slowStart()
	}
	var r executor.Replacement
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err = t.e.Replace(t.Context(), two, executor.Replacing{Hold: hold})
	}()
	switch {
	case at == queued || at == emptying:
		synctest.Wait()
	case at == proving && hold:
		time.Sleep(time.Minute + time.Second/2)
	case at == proving:
		time.Sleep(time.Second / 2)
	default:
		<-done
		switch at {
		case serving:
			r.Commit()
		case settled:
			r.Commit()
			all.Go(func() { _ = r.Settle(t.Context()) })
			synctest.Wait()
		case withdrawn:
			r.Commit()
			slowStart()
			all.Go(func() { _ = r.Revert(t.Context()) })
			synctest.Wait()
		default:
		}
	}
	event(t)
	later := []<-chan string{t.later("GET"), t.later("POST")}
	if other != nil {
		time.Sleep(time.Second)
		other.Commit()
		_ = other.Settle(t.Context())
	}
	<-done
	if (r == nil) != (err != nil) {
		t.Errorf("%v, %v", r, err)
	}
	if r != nil {
		r.Progress()
		w := httptest.NewRecorder()
		r.Execute(w, httptest.NewRequest("GET", "/x", nil), &executor.Target{})
		if rand.IntN(2) == 0 {
			r.Commit()
		}
		if rand.IntN(2) == 0 {
			_ = r.Settle(t.Context())
		}
		_ = r.Revert(t.Context())
	}
	close(gate)
	for _, c := range append(later, slow...) {
		<-c
	}
	if st := t.p.Status(); st.State == StateRunning || st.State == StateStarting {
		time.Sleep(time.Hour)
		if got := <-t.later("GET"); got != one.File && got != two.File && got != "503" && got != "500" {
			t.Errorf("afterwards: %s", got)
		}
	}
}

// TestReplaceGivenUp: who asked for a replacement may leave at any stage; everything is as it was then.
func TestReplaceGivenUp(t *testing.T) {
	for _, hold := range []bool{false, true} {
		for _, after := range []time.Duration{time.Second, 30 * time.Second, 70 * time.Second} { // queued or emptying; emptying or proving; proving
			t.Run(fmt.Sprintf("%v, hold %v", after, hold), func(t *testing.T) {
				playSwap(t, Settings{Shutdown: time.Minute}, func(t *swapTest) {
					_, slow := t.blocked(1, "POST")
					t.f.set(func() {
						t.f.version = func(*puppet, executor.Version) error { time.Sleep(80 * time.Second); return nil }
					})
					ctx, cancel := context.WithTimeout(t.Context(), after)
					defer cancel()
					if _, err := t.e.Replace(ctx, two, executor.Replacing{Hold: hold}); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v", err)
					}
					if got := <-t.later("GET"); !hold && got != one.File {
						t.Errorf("at once: %s", got)
					}
					time.Sleep(time.Hour)
					t.answers(one, 5)
					t.p.is(t.T, StateRunning, 1)
					if hold {
						if got := <-slow[0]; got != "502" {
							t.Errorf("the slow request: %s", got)
						}
					} else {
						t.f.of(one)[0].crash()
					}
				})
			})
		}
	}
}

// TestReplaceWalk: whatever is done in whatever order, the version that serves at the end is the one that was committed last and not
// taken back, every request is answered, and there are as many workers as are wanted.
func TestReplaceWalk(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			playSwap(t, Settings{Workers: 1 + rng.IntN(2), Shutdown: 20 * time.Second, Startup: 10 * time.Second, Crashes: Crashes{Max: -1}}, func(t *swapTest) {
				handle := t.f.handle
				t.f.set(func() {
					t.f.handle = func(p *puppet, w http.ResponseWriter, r *http.Request) error {
						select {
						case <-time.After(10 * time.Millisecond):
							return handle(p, w, r)
						case <-p.gone:
							return &remote.Lost{Held: true, Obit: p.obit}
						}
					}
					t.f.version = func(p *puppet, v executor.Version) error {
						time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
						return nil
					}
				})
				var all sync.WaitGroup
				stop := make(chan struct{})
				for range 4 {
					all.Go(func() {
						for {
							select {
							case <-stop:
								return
							case <-time.After(5 * time.Millisecond):
							}
							if w := call(t.e, "GET"); w.Code != 200 && w.Code != 503 {
								t.Errorf("%d", w.Code)
							}
						}
					})
				}
				serves := one
				for round := range 15 {
					v := executor.Version{File: fmt.Sprintf("/v/%d", round+2)}
					r, err := t.e.Replace(t.Context(), v, executor.Replacing{Hold: rng.IntN(3) == 0})
					if err != nil {
						continue // its worker was killed, or the pool stopped
					}
					r.Share(rng.Float64())
					for step, committed := 0, false; step < 4; step++ {
						switch rng.IntN(8) {
						case 0, 1:
							r.Commit()
							serves, committed = v, true
						case 2:
							for _, p := range t.f.of(v) {
								p.outside()
							}
						case 3:
							for _, p := range t.f.of(serves) {
								p.outside()
							}
						case 4:
							t.p.Recycle("test")
						case 5:
							t.p.Stop()
							time.Sleep(time.Duration(rng.IntN(3)) * time.Second)
							t.p.Start()
						default:
							time.Sleep(time.Duration(rng.IntN(5)) * time.Second)
						}
						if committed && rng.IntN(2) == 0 {
							break
						}
					}
					if now := serves; now == v && rng.IntN(2) == 0 {
						if err := r.Settle(t.Context()); err != nil {
							t.Errorf("settle: %v", err)
						}
					} else {
						before := t.before(r)
						if err := r.Revert(t.Context()); err != nil {
							t.Errorf("revert: %v", err)
						}
						serves = before
					}
				}
				close(stop)
				all.Wait()
				time.Sleep(time.Minute)
				t.answers(serves, 10)
				t.p.is(t.T, StateRunning, t.p.policy.Load().Workers)
			})
		})
	}
}

// before is the version that a replacement replaces.
func (t *swapTest) before(r executor.Replacement) executor.Version {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return r.(*replacement).sw.from
}
