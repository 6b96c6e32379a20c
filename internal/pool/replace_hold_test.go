package pool

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

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
