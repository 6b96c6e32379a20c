package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
)

func TestLoopServes(t *testing.T) {
	f := &factory{}
	play(t, Settings{Workers: 2}, f, func(t *testing.T, p *Pool) {
		p.is(t, StateEmpty, 0)
		e := mustOpen(t, p, "a.so")
		p.is(t, StateRunning, 2)
		seen := map[string]bool{}
		for range 50 {
			seen[call(e, "GET").Body.String()] = true
		}
		if len(seen) != 2 {
			t.Errorf("requests went to %v", seen)
		}
		if e.Description() != "puppet" {
			t.Errorf("description %q", e.Description())
		}
		p.Stop()
		p.is(t, StateStopped, 0)
		if w := call(e, "GET"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("stopped: %d", w.Code)
		}
		p.Start()
		p.is(t, StateRunning, 2)
		if w := call(e, "GET"); w.Code != 200 {
			t.Errorf("started again: %d", w.Code)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		p.is(t, StateEmpty, 0)
		if err := e.Close(t.Context()); !errors.Is(err, executor.ErrClosed) {
			t.Errorf("second close: %v", err)
		}
		if w := call(e, "GET"); w.Code != 503 {
			t.Errorf("closed: %d", w.Code)
		}
	})
}

func TestLoopCrash(t *testing.T) {
	f := &factory{}
	play(t, Settings{}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		call(e, "GET")
		w, _ := f.last()
		w.crash()
		if got := call(e, "GET").Body.String(); got != "shop/2" {
			t.Errorf("served by %q", got)
		}
		p.is(t, StateRunning, 1)
		if st := p.Status(); st.Crashes != 1 || len(st.Deaths) != 1 || !strings.Contains(st.Deaths[0].How, "11") {
			t.Errorf("%+v", st)
		}
	})
}

// TestLoopDegraded: a worker that dies at each start makes the pool degraded, which tries again and recovers.
func TestLoopDegraded(t *testing.T) {
	f := &factory{}
	play(t, Settings{}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		f.set(func() { f.onStart = (*puppet).crash })
		w, _ := f.last()
		w.crash()
		time.Sleep(10 * time.Second)
		p.is(t, StateDegraded, 0)
		if _, n := f.last(); n != 6 {
			t.Errorf("%d starts, want 6", n)
		}
		res := call(e, "GET")
		if res.Code != 503 || res.Header().Get("Retry-After") == "" || res.Header().Get("Retry-After") == "0" {
			t.Errorf("degraded: %d, Retry-After %q", res.Code, res.Header().Get("Retry-After"))
		}
		time.Sleep(30 * time.Minute)
		if _, n := f.last(); n < 12 || n > 16 {
			t.Errorf("%d starts within half an hour", n)
		}
		f.set(func() { f.onStart = nil })
		for len(p.Status().Workers) == 0 {
			time.Sleep(time.Second)
		}
		p.is(t, StateDegraded, 1)
		if got := call(e, "GET"); got.Code != 200 {
			t.Errorf("on trial: %d", got.Code)
		}
		p.is(t, StateRunning, 1)
		for _, m := range []string{"worker died", "pool is degraded", "pool has recovered"} {
			if !f.logged(m) {
				t.Errorf("no line %q", m)
			}
		}
	})
}

func TestLoopRecycleResetsDegraded(t *testing.T) {
	f := &factory{}
	play(t, Settings{Crashes: Crashes{Max: 1, Retry: time.Hour, RetryMax: time.Hour}}, f, func(t *testing.T, p *Pool) {
		mustOpen(t, p, "a.so")
		f.set(func() { f.onStart = (*puppet).crash })
		w, _ := f.last()
		w.crash()
		time.Sleep(time.Minute)
		p.is(t, StateDegraded, 0)
		f.set(func() { f.onStart = nil })
		p.Recycle("repaired")
		p.is(t, StateRunning, 1)
	})
}

func TestLoopRecycle(t *testing.T) {
	f := &factory{}
	play(t, Settings{Recycle: Recycle{After: 29 * time.Hour}}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		hold := make(chan struct{})
		f.set(func() { f.handle = func(*puppet, http.ResponseWriter, *http.Request) error { <-hold; return nil } })
		slow := make(chan string, 1)
		go func() { slow <- call(e, "GET").Body.String() }()
		synctest.Wait()
		f.set(func() { f.handle = nil })
		p.Recycle("asked")
		p.is(t, StateRunning, 2)
		if got := call(e, "GET").Body.String(); got != "shop/2" {
			t.Errorf("during the drain: served by %q", got)
		}
		close(hold)
		if got := <-slow; got != "shop/1" {
			t.Errorf("the slow request: %q", got)
		}
		p.is(t, StateRunning, 1)
		if st := p.Status(); st.Generation != 2 || st.Because != "asked" {
			t.Errorf("%+v", st)
		}
		time.Sleep(33 * time.Hour)
		p.is(t, StateRunning, 1)
		if st := p.Status(); st.Generation != 3 || st.Because != "age" {
			t.Errorf("%+v", st)
		}
	})
}

// TestLoopBadGeneration: a generation that does not come up leaves the old one alone, and is tried again.
func TestLoopBadGeneration(t *testing.T) {
	f := &factory{}
	play(t, Settings{}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		f.set(func() { f.load = func(string) error { return errors.New("bad") } })
		p.Recycle("asked")
		p.is(t, StateRunning, 1)
		if got := call(e, "GET").Body.String(); got != "shop/1" {
			t.Errorf("served by %q", got)
		}
		if st := p.Status(); st.Rollout == nil || st.Rollout.Failures != 1 || st.Generation != 1 {
			t.Errorf("%+v", st)
		}
		f.set(func() { f.load = nil })
		time.Sleep(15 * time.Second)
		p.is(t, StateRunning, 1)
		if st := p.Status(); st.Generation != 3 {
			t.Errorf("%+v", st)
		}
	})
}

func TestLoopNoOverlap(t *testing.T) {
	f := &factory{}
	play(t, Settings{Recycle: Recycle{NoOverlap: true}}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		f.set(func() {
			f.onStart = func(*puppet) {
				for _, p := range f.all[:len(f.all)-1] {
					select {
					case <-p.gone:
					default:
						t.Error("two workers at a time")
					}
				}
			}
		})
		hold := make(chan struct{})
		f.set(func() { f.handle = func(*puppet, http.ResponseWriter, *http.Request) error { <-hold; return nil } })
		served := make(chan string, 2)
		go func() { served <- call(e, "GET").Body.String() }()
		synctest.Wait()
		p.Recycle("asked")
		synctest.Wait()
		go func() { served <- call(e, "GET").Body.String() }()
		synctest.Wait()
		if st := p.Status(); st.Waiting != 1 {
			t.Errorf("%d wait, want 1", st.Waiting)
		}
		close(hold)
		got := []string{<-served, <-served}
		slices.Sort(got)
		if !slices.Equal(got, []string{"shop/1", "shop/2"}) {
			t.Errorf("served by %q", got)
		}
	})
}

func TestLoopDrainLimit(t *testing.T) {
	f := &factory{}
	play(t, Settings{Shutdown: time.Minute}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		f.set(func() {
			f.handle = func(p *puppet, _ http.ResponseWriter, _ *http.Request) error {
				<-p.gone
				return &remote.Lost{Held: true, Obit: p.obit}
			}
		})
		res := make(chan *httptest.ResponseRecorder, 1)
		go func() { res <- call(e, "POST") }()
		synctest.Wait()
		p.Recycle("asked")
		time.Sleep(59 * time.Second)
		p.is(t, StateRunning, 2)
		time.Sleep(2 * time.Second)
		p.is(t, StateRunning, 1)
		if w := <-res; w.Code != 502 || len(w.Header().Get("X-Request-Id")) != 16 {
			t.Errorf("blocker: %d %q", w.Code, w.Header())
		}
		for _, m := range []string{"worker waits for its last requests", "drain took too long: the worker is killed", "request lost with its worker"} {
			if !f.logged(m) {
				t.Errorf("no line %q", m)
			}
		}
	})
}

func TestLoopOnDemand(t *testing.T) {
	f := &factory{}
	play(t, Settings{OnDemand: true, Idle: 20 * time.Minute}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		p.is(t, StateIdle, 0)
		if w := call(e, "GET"); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
		time.Sleep(19 * time.Minute)
		call(e, "GET")
		time.Sleep(19 * time.Minute)
		p.is(t, StateRunning, 1)
		time.Sleep(2 * time.Minute)
		p.is(t, StateIdle, 0)
		if w := call(e, "GET"); w.Body.String() != "shop/2" {
			t.Errorf("%d %q", w.Code, w.Body)
		}
	})
}

func TestLoopPing(t *testing.T) {
	f := &factory{}
	play(t, Settings{Ping: 30 * time.Second, PingTimeout: 90 * time.Second}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		call(e, "GET")
		time.Sleep(31 * time.Second)
		if st := p.Status(); st.Workers[0].LastPing == nil {
			t.Error("no ping was answered")
		}
		w, _ := f.last()
		f.set(func() { w.stuck = true })
		time.Sleep(100 * time.Second)
		p.is(t, StateRunning, 1)
		time.Sleep(30 * time.Second)
		p.is(t, StateRunning, 1)
		if got := call(e, "GET").Body.String(); got != "shop/2" {
			t.Errorf("served by %q", got)
		}
		if st := p.Status(); st.Crashes != 1 {
			t.Errorf("%d crashes", st.Crashes)
		}
	})
}

func TestLoopMemory(t *testing.T) {
	f := &factory{}
	play(t, Settings{Recycle: Recycle{PrivateMemory: 100 << 20}}, f, func(t *testing.T, p *Pool) {
		mustOpen(t, p, "a.so")
		time.Sleep(time.Hour)
		w, n := f.last()
		if n != 1 {
			t.Errorf("%d workers", n)
		}
		f.set(func() { w.memory = 200 << 20 })
		time.Sleep(6 * time.Second)
		p.is(t, StateRunning, 1)
		if st := p.Status(); st.Generation != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestLoopQueue(t *testing.T) {
	f := &factory{refuse: errors.New("no process")}
	set := Settings{OnDemand: true, Executor: executor.Options{Queue: 2, QueueWait: time.Minute}, Crashes: Crashes{Max: -1}}
	play(t, set, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		codes := make(chan int, 2)
		for range 2 {
			go func() { codes <- call(e, "GET").Code }()
		}
		synctest.Wait()
		if w := call(e, "GET"); w.Code != 503 || w.Header().Get("Retry-After") != "5" {
			t.Errorf("third: %d", w.Code)
		}
		time.Sleep(61 * time.Second)
		if a, b := <-codes, <-codes; a != 503 || b != 503 {
			t.Errorf("waited too long: %d, %d", a, b)
		}
		go func() { codes <- call(e, "GET").Code }()
		synctest.Wait()
		f.set(func() { f.refuse = nil })
		if c := <-codes; c != 200 {
			t.Errorf("when the worker came: %d", c)
		}
	})
}

func TestLoopLost(t *testing.T) {
	for _, c := range []struct {
		method      string
		began, held bool
		status      int // 0: broken
	}{
		{"GET", false, true, 200},
		{"HEAD", false, true, 200},
		{"OPTIONS", false, true, 200},
		{"PUT", false, true, 200}, // declared
		{"POST", false, true, 502},
		{"GET", false, false, 502},
		{"GET", true, true, 0},
	} {
		t.Run(fmt.Sprintf("%s,%v,%v", c.method, c.began, c.held), func(t *testing.T) {
			f := &factory{}
			play(t, Settings{Idempotent: []string{"PUT"}}, f, func(t *testing.T, p *Pool) {
				e := mustOpen(t, p, "a.so")
				call(e, "GET")
				f.set(func() {
					f.handle = func(p *puppet, _ http.ResponseWriter, _ *http.Request) error {
						if p.pid > 1 {
							return nil
						}
						p.crash()
						return &remote.Lost{Began: c.began, Held: c.held, Obit: p.obit}
					}
				})
				w := httptest.NewRecorder()
				res := e.Execute(w, httptest.NewRequest(c.method, "/x", nil), &executor.Target{})
				if res.Broken != (c.status == 0) || res.Status != c.status || (res.Fault != nil) != (c.status != 200) {
					t.Errorf("%+v", res)
				}
			})
		})
	}
}

// TestLoopLostAgain: a request that kills every worker kills two, not all; killing from outside is forgiven more often.
func TestLoopLostAgain(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*puppet)
		want int
	}{
		"crash":   {(*puppet).crash, 2},
		"outside": {func(p *puppet) { p.end(remote.Obituary{Exit: proc.Exit{Code: -1, Signal: syscall.SIGKILL}}) }, mostRuns},
		"memory":  {func(p *puppet) { p.end(remote.Obituary{Exit: proc.Exit{Code: -1, Signal: syscall.SIGKILL, OOM: true}}) }, 2},
		"by us":   {func(p *puppet) { p.Kill("ping") }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := &factory{}
			play(t, Settings{Crashes: Crashes{Max: -1}}, f, func(t *testing.T, p *Pool) {
				e := mustOpen(t, p, "a.so")
				f.set(func() {
					f.handle = func(p *puppet, _ http.ResponseWriter, _ *http.Request) error {
						c.end(p)
						return &remote.Lost{Held: true, Obit: p.obit}
					}
				})
				if w := call(e, "GET"); w.Code != 502 {
					t.Errorf("%d", w.Code)
				}
				if _, n := f.last(); n != c.want {
					t.Errorf("%d workers, want %d", n, c.want)
				}
			})
		})
	}
}

func TestLoopFault(t *testing.T) {
	f := &factory{}
	play(t, Settings{}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		call(e, "GET")
		w, _ := f.last()
		w.s.Notify(remote.Event{Kind: remote.Faulted, Image: "a.so", Reason: "SIGSEGV"})
		if got := call(e, "GET").Body.String(); got != "shop/2" {
			t.Errorf("served by %q", got)
		}
		p.is(t, StateRunning, 1)
		if st := p.Status(); st.Totals.Faults != 1 || st.Crashes != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestLoopFaultOfRequest: the next request goes to another worker also when the news of the fault is late, or comes never.
func TestLoopFaultOfRequest(t *testing.T) {
	for _, serves := range []bool{false, true} {
		f := &factory{fault: errors.New("SIGSEGV")}
		play(t, Settings{FaultedServes: serves}, f, func(t *testing.T, p *Pool) {
			e := mustOpen(t, p, "a.so")
			call(e, "GET")
			f.set(func() { f.fault = nil })
			if !serves {
				if got := call(e, "GET").Body.String(); got != "shop/2" {
					t.Errorf("served by %q", got)
				}
			}
			time.Sleep(time.Second)
			p.is(t, StateRunning, 1)
			if got := call(e, "GET").Body.String(); got != "shop/2" {
				t.Errorf("later: served by %q", got)
			}
		})
	}
}

func TestLoopEvents(t *testing.T) {
	for kind, because := range map[remote.EventKind]string{remote.Unhealthy: "a.so is unhealthy: tired", remote.Hung: ""} {
		t.Run(kind.String(), func(t *testing.T) {
			f := &factory{}
			play(t, Settings{}, f, func(t *testing.T, p *Pool) {
				e := mustOpen(t, p, "a.so")
				call(e, "GET")
				w, _ := f.last()
				w.s.Notify(remote.Event{Kind: kind, Image: "/x/a.so", Reason: "tired"})
				p.is(t, StateRunning, 1)
				if got := call(e, "GET").Body.String(); got != "shop/2" {
					t.Errorf("served by %q", got)
				}
				if st := p.Status(); because != "" && st.Because != because {
					t.Errorf("because %q", st.Because)
				}
			})
		})
	}
}

func TestLoopOpen(t *testing.T) {
	bad := errors.New("GetExtensionVersion returned FALSE")
	f := &factory{load: func(path string) error {
		if strings.HasPrefix(path, "bad") {
			return bad
		}
		return nil
	}}
	play(t, Settings{Workers: 2}, f, func(t *testing.T, p *Pool) {
		if _, err := p.Open(t.Context(), "bad.so", executor.Version{}); !errors.Is(err, bad) {
			t.Errorf("bad, alone: %v", err)
		}
		p.is(t, StateEmpty, 0)
		a := mustOpen(t, p, "a.so")
		b := mustOpen(t, p, "b.so")
		if _, err := p.Open(t.Context(), "bad2.so", executor.Version{}); !errors.Is(err, bad) {
			t.Errorf("bad, with others: %v", err)
		}
		p.is(t, StateRunning, 2)
		for _, e := range []executor.Executor{a, b} {
			if w := call(e, "GET"); w.Code != 200 {
				t.Errorf("%d", w.Code)
			}
		}
		if st := p.Status(); len(st.Images) != 2 || st.Crashes != 0 {
			t.Errorf("%+v", st)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		p.is(t, StateRunning, 2)
	})
}

// TestLoopKiller: an image that kills a worker while it is loaded is not tried again at once.
func TestLoopKiller(t *testing.T) {
	f := &factory{}
	play(t, Settings{}, f, func(t *testing.T, p *Pool) {
		a := mustOpen(t, p, "a.so")
		call(a, "GET")
		w, _ := f.last()
		f.set(func() {
			f.load = func(path string) error {
				if path == "killer.so" {
					w.crash()
				}
				return nil
			}
		})
		for range 3 {
			if _, err := p.Open(t.Context(), "killer.so", executor.Version{}); err == nil || !strings.Contains(err.Error(), "shop/1") {
				t.Errorf("killer: %v", err)
			}
		}
		if w := call(a, "GET"); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
		if _, n := f.last(); n != 2 {
			t.Errorf("%d workers, want 2", n)
		}
	})
}

func TestLoopNoStart(t *testing.T) {
	f := &factory{refuse: errors.New("no process")}
	play(t, Settings{}, f, func(t *testing.T, p *Pool) {
		if _, err := p.Open(t.Context(), "a.so", executor.Version{}); !errors.Is(err, f.refuse) {
			t.Errorf("%v", err)
		}
		p.is(t, StateEmpty, 0)
	})
}

func TestLoopConfigure(t *testing.T) {
	f := &factory{}
	play(t, Settings{}, f, func(t *testing.T, p *Pool) {
		mustOpen(t, p, "a.so")
		p.Configure(Settings{Workers: 3, Log: slog.New(f)}, true)
		p.is(t, StateRunning, 3)
		if st := p.Status(); st.Generation != 2 || st.Workers[0].Name != "shop/2" {
			t.Errorf("%+v", st)
		}
	})
}

// TestLoopRunsCounted: the trail of a request says that it was run again because its worker was lost.
func TestLoopRunsCounted(t *testing.T) {
	lost := false
	f := &factory{}
	f.handle = func(p *puppet, _ http.ResponseWriter, _ *http.Request) error {
		if lost {
			return nil
		}
		lost = true
		p.crash()
		return &remote.Lost{Held: true, Obit: p.obit}
	}
	play(t, Settings{}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		for _, want := range []int{2, 1} {
			trail := &executor.Trail{ID: 1}
			e.Execute(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil), &executor.Target{Trail: trail})
			if _, _, runs := trail.Now(); runs != want {
				t.Errorf("run %d times, want %d", runs, want)
			}
		}
	})
}

// TestLoopUnwanted: a worker that is ended while it loads, because its generation is not wanted any more, is none that died.
func TestLoopUnwanted(t *testing.T) {
	f := &factory{onStart: func(p *puppet) { p.stuck = p.s.Name == "shop/2" }}
	play(t, Settings{}, f, func(t *testing.T, p *Pool) {
		mustOpen(t, p, "a.so")
		p.Configure(Settings{Workers: 2, Log: slog.New(f)}, true)
		synctest.Wait() // it waits for its ping
		p.Configure(Settings{Workers: 1, Log: slog.New(f)}, true)
		p.is(t, StateRunning, 1)
		deaths := p.Status().Deaths
		n := slices.IndexFunc(deaths, func(d Death) bool { return d.Worker == 2 })
		if n < 0 || !deaths[n].Expected || !strings.Contains(deaths[n].Reason, "not wanted any more") {
			t.Errorf("%+v", deaths)
		}
	})
}

// TestLoopCloseBlocked: Close ends with its context, kills what is left, and says what it was.
func TestLoopCloseBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &factory{handle: func(p *puppet, _ http.ResponseWriter, _ *http.Request) error {
			<-p.gone
			return &remote.Lost{Obit: p.obit}
		}}
		p := newPool(Settings{Name: "shop", Log: slog.New(f)}, f.start)
		e := mustOpen(t, p, "a.so")
		done := make(chan int)
		go func() { done <- call(e, "GET").Code }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); err == nil || !strings.Contains(err.Error(), "/slow") {
			t.Errorf("close: %v", err)
		}
		if c := <-done; c != 502 {
			t.Errorf("%d", c)
		}
		if f.running() != 0 {
			t.Error("a worker is left")
		}
	})
}

func TestLoopStartupLimit(t *testing.T) {
	f := &factory{onStart: func(p *puppet) { p.stuck = true }}
	play(t, Settings{Startup: time.Minute}, f, func(t *testing.T, p *Pool) {
		if _, err := p.Open(t.Context(), "a.so", executor.Version{}); err == nil || !strings.Contains(err.Error(), "1m0s") {
			t.Errorf("%v", err)
		}
	})
}

// TestLoopReopened: an image that was closed while others keep its workers is loaded anew by who opens it again, in the version it has then.
func TestLoopReopened(t *testing.T) {
	one, two := executor.Version{File: "/one"}, executor.Version{File: "/two"}
	for name, middle := range map[string]func(t *testing.T, p *Pool, f *factory){
		"closed": func(t *testing.T, p *Pool, _ *factory) {
			e, err := p.Open(t.Context(), "b.so", one)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Close(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"given up while it was loaded": func(t *testing.T, p *Pool, f *factory) {
			hang := make(chan struct{})
			f.set(func() { f.load = func(string) error { <-hang; return nil } })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := p.Open(ctx, "b.so", one); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			f.set(func() { f.load = nil })
			time.AfterFunc(time.Second, func() { close(hang) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &factory{}
			play(t, Settings{}, f, func(t *testing.T, p *Pool) {
				mustOpen(t, p, "a.so")
				middle(t, p, f)
				e, err := p.Open(t.Context(), "b.so", two)
				if err != nil {
					t.Fatal(err)
				}
				if w := call(e, "GET"); w.Code != 200 {
					t.Errorf("%d", w.Code)
				}
				if worker, n := f.last(); n != 1 || worker.loaded != two {
					t.Errorf("%d workers, loaded last: %+v", n, worker.loaded)
				}
			})
		})
	}
}

// TestLoopReopenedInTime: an image is opened anew while it cannot be closed, because a request does not end. Who opens it has nothing to do with
// that: he gets his version, and keeps it when the other has come to its end.
func TestLoopReopenedInTime(t *testing.T) {
	one, two := executor.Version{File: "/one"}, executor.Version{File: "/two"}
	for _, others := range []bool{true, false} {
		t.Run(fmt.Sprintf("others %v", others), func(t *testing.T) {
			f := &factory{}
			play(t, Settings{}, f, func(t *testing.T, p *Pool) {
				if others {
					mustOpen(t, p, "a.so")
				}
				old, err := p.Open(t.Context(), "b.so", one)
				if err != nil {
					t.Fatal(err)
				}
				hold := make(chan struct{})
				f.set(func() { f.handle = func(*puppet, http.ResponseWriter, *http.Request) error { <-hold; return nil } })
				slow := make(chan int, 1)
				go func() { slow <- call(old, "GET").Code }()
				synctest.Wait()
				f.set(func() { f.handle = nil })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := old.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("close: %v", err)
				}
				closed := make(chan error, 1)
				go func() { closed <- old.Close(t.Context()) }() // he waits on
				synctest.Wait()
				e, err := p.Open(t.Context(), "b.so", two)
				if err != nil {
					t.Fatal(err)
				}
				if w := call(e, "GET"); w.Code != 200 {
					t.Errorf("opened anew: %d", w.Code)
				}
				if w := call(old, "GET"); w.Code != 503 {
					t.Errorf("closed: %d", w.Code)
				}
				close(hold)
				if code := <-slow; code != 200 {
					t.Errorf("the slow request: %d", code)
				}
				if err := <-closed; err != nil {
					t.Errorf("closed at last: %v", err)
				}
				if w := call(e, "GET"); w.Code != 200 {
					t.Errorf("after that: %d", w.Code)
				}
				synctest.Wait()
				if w, n := f.last(); n != 1 || w.loaded != two || w.unloaded != 1 {
					t.Errorf("%d workers, loaded last: %+v, unloaded: %d", n, w.loaded, w.unloaded)
				}
			})
		})
	}
}
