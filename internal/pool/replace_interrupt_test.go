package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
)

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
