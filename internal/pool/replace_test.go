package pool

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
)

var errBad = errors.New("GetExtensionVersion returned FALSE")

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
