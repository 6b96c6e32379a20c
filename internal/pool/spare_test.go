package pool

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
)

// spared is a pool with one worker that is ready and a spare, which is worker 2.
func spared(set Settings) *state {
	set.Spares = 1
	return grown(set).change(spares)
}

// spares starts one more spare, which greets.
func spares(s *state) {
	id := s.begin(action{do: doSpare}, t0, half)
	s.greeted(id, t0)
}

func warms(s *state) { s.begin(action{do: doSpare}, t0, half) }

func configured(set Settings) func(s *state) {
	set = set.WithDefaults()
	return func(s *state) { s.configured(&set, t0) }
}

func TestDecideSpare(t *testing.T) {
	minute := time.Minute
	one := Settings{Spares: 1}
	decided(t, map[string]decision{
		"none before the worker is ready":     {state: stateOf(one), want: []string{"start gen 1"}},
		"none while the worker starts":        {state: stateOf(one).change(begin(doStart))},
		"one behind the worker":               {state: grown(one), want: []string{"spare"}},
		"it is being started":                 {state: grown(one).change(warms)},
		"it is there":                         {state: spared(one)},
		"two, one at a time":                  {state: grown(Settings{Spares: 2}), want: []string{"spare"}},
		"the next":                            {state: grown(Settings{Spares: 2}).change(spares), want: []string{"spare"}},
		"taken after a crash":                 {state: spared(one).change(answered(1)).change(gone(1)), want: []string{"start 2 gen 1"}},
		"taken while it starts":               {state: grown(one).change(warms).change(answered(1)).change(gone(1)), want: []string{"start 2 gen 1"}},
		"the one that greeted is taken first": {state: grown(Settings{Spares: 2}).change(warms).change(spares).change(answered(1)).change(gone(1)), want: []string{"start 3 gen 1"}},
		"taken once":                          {state: stateOf(Settings{Workers: 2, Spares: 1}).grow(2).change(spares).change(answered(1)).change(answered(2)).change(gone(1)).change(gone(2)), want: []string{"start 3 gen 1", "start gen 1"}},
		"taken by the next generation":        {state: spared(one).roll(), want: []string{"start 2 gen 2"}},
		"taken by the worker that is tried":   {state: crashed(one, 6).change(spares), after: 10 * time.Second, want: []string{"start 7 gen 1 trial"}},
		"none while degraded":                 {state: crashed(one, 6), wake: 10 * time.Second},
		"taken: the next waits":               {state: spared(one).change(answered(1)).change(gone(1)).change(func(s *state) { s.begin(action{do: doStart, worker: 2, gen: 1}, t0, half) })},
		"taken and ready: the next": {state: spared(one).change(answered(1)).change(gone(1)).change(func(s *state) {
			s.begin(action{do: doStart, worker: 2, gen: 1}, t0, half)
			s.ready(2, []string{"a"}, nil, t0, half)
		}), want: []string{"spare"}},
		"other settings":                  {state: spared(one).change(configured(one)), want: []string{"retire 2: other settings"}},
		"other settings: then another":    {state: spared(one).change(configured(one)).change(retire(2)), want: []string{"spare"}},
		"other settings: it is not taken": {state: spared(one).change(answered(1)).change(gone(1)).change(configured(one)), want: []string{"start gen 1", "retire 2: other settings"}},
		"no spare is wanted any more":     {state: spared(one).change(func(s *state) { s.set.Spares = 0 }), want: []string{"retire 2: no spare is wanted"}},
		"stop":                            {state: spared(one).change(stop), want: []string{"retire 1: stopped", "retire 2: stopped"}},
		"end: one is left":                {state: spared(one).change(end).change(retire(1)).change(retire(2)).change(gone(1))},
		"without an image it ends":        {state: spared(one).change(func(s *state) { s.images = nil }), want: []string{"retire 1: the pool has no image", "retire 2: the pool has no image"}},
		"asleep: it ends":                 {state: spared(Settings{OnDemand: true}), want: []string{"retire 1: idle", "retire 2: idle"}},
		"it died: later":                  {state: spared(one).change(gone(2)), wake: 100 * time.Millisecond},
		"it died: now":                    {state: spared(one).change(gone(2)), after: 100 * time.Millisecond, want: []string{"spare"}},
		"it died again: twice as late":    {state: spared(one).change(gone(2)).change(spares).change(gone(3)), wake: 200 * time.Millisecond},
		"it died after a long time":       {state: spared(one).change(gone(2)).change(spares).change(func(s *state) { s.gone(3, errTest, t0.Add(time.Hour), half) }), wake: time.Hour + 100*time.Millisecond, after: time.Hour},
		"its death is no crash":           {state: spared(one).change(func(s *state) { s.set.Crashes.Max = 1 }).change(gone(2)).change(spares).change(gone(3)).change(spares).change(gone(4)), wake: 400 * time.Millisecond},
		"no ping, no sample":              {state: spared(Settings{Ping: minute, Recycle: Recycle{Memory: 1}}).change(retire(1)).change(gone(1)), after: minute, want: []string{"start 2 gen 1"}},
		"a hold does not wait for it":     {state: holdingSwap(spared(one)).change(retire(1)).change(gone(1)), want: []string{"prove gen 2 a"}},
		"a hold leaves it":                {state: holdingSwap(spared(one)), want: []string{"retire 1: generation 2 may not run beside it"}},
	})
}

// holdingSwap begins the replacement of the image by a version that may not run beside the old one.
func holdingSwap(s *state) *state {
	if err := s.ask(&swap{image: "a", to: executor.Version{SHA256: "b"}, hold: true}); err != nil {
		panic(err)
	}
	s.begin(action{do: doReplace, gen: s.last + 1}, t0, half)
	return s
}

// TestLoopSpare: a worker that dies is replaced by the spare, which is replaced by another one.
func TestLoopSpare(t *testing.T) {
	f := &factory{}
	play(t, Settings{Spares: 1}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		p.is(t, StateRunning, 2)
		if st := p.Status(); st.Workers[1].State != "spare" || st.Workers[1].Generation != 0 || st.Workers[1].Pid != 2 {
			t.Errorf("%+v", st.Workers)
		}
		call(e, "GET")
		first := f.puppet(1)
		first.crash()
		if got := call(e, "GET").Body.String(); got != "shop/2" {
			t.Errorf("served by %q, want the spare", got)
		}
		p.is(t, StateRunning, 2)
		if _, n := f.last(); n != 3 || !f.logged("spare becomes a worker") {
			t.Errorf("%d starts: %q", n, f.log)
		}
	})
}

// TestLoopSpareSlow: a start takes a spare that has not greeted yet, and goes on when it has.
func TestLoopSpareSlow(t *testing.T) {
	f := &factory{}
	var slow chan struct{}
	start := func(ctx context.Context, s remote.Settings) (process, error) {
		if s.Name == "shop/2" {
			<-slow
		}
		return f.start(ctx, s)
	}
	synctest.Test(t, func(t *testing.T) {
		slow = make(chan struct{})
		p := newPool(Settings{Name: "shop", Spares: 1, Log: slog.New(f)}, start)
		defer func() { _ = p.Close(context.Background()) }()
		e := mustOpen(t, p, "a.so")
		synctest.Wait()
		call(e, "GET")
		f.puppet(1).crash()
		synctest.Wait()
		if st := p.Status(); len(st.Workers) != 1 || st.Workers[0].State != "starting" || st.Workers[0].Generation != 1 {
			t.Errorf("%+v", st.Workers)
		}
		close(slow)
		if got := call(e, "GET").Body.String(); got != "shop/2" {
			t.Errorf("served by %q", got)
		}
	})
}

// TestLoopSpareDies: the death of a spare is told once, and another is tried later and later. Nothing of it is a crash.
func TestLoopSpareDies(t *testing.T) {
	f := &factory{}
	play(t, Settings{Spares: 1}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		p.is(t, StateRunning, 2)
		f.set(func() { f.onStart = (*puppet).crash })
		f.puppet(2).crash()
		time.Sleep(time.Minute)
		synctest.Wait()
		st := p.Status()
		if _, n := f.last(); n < 6 || n > 20 || st.Crashes != 0 || st.Totals.Crashes != 0 || len(st.Deaths) != 1 {
			t.Errorf("%d starts, %+v", n, st)
		}
		if n := strings.Count(strings.Join(f.log, "\n"), "spare worker died"); n != 1 {
			t.Errorf("it is told %d times: %q", n, f.log)
		}
		f.set(func() { f.onStart, f.refuse = nil, errors.New("no") })
		time.Sleep(time.Minute)
		f.set(func() { f.refuse = nil })
		time.Sleep(time.Minute)
		p.is(t, StateRunning, 2)
		if got := call(e, "GET").Body.String(); got != "shop/1" {
			t.Errorf("served by %q", got)
		}
		if f.logged("worker did not start") {
			t.Errorf("a loss of a row is told: %q", f.log)
		}
	})
}

// TestLoopSpareEnds: stop, other settings and the end of the last image take the spare along.
func TestLoopSpareEnds(t *testing.T) {
	f := &factory{}
	play(t, Settings{Spares: 1}, f, func(t *testing.T, p *Pool) {
		e := mustOpen(t, p, "a.so")
		p.is(t, StateRunning, 2)
		p.Configure(Settings{Spares: 1}, false)
		p.is(t, StateRunning, 2)
		if st := p.Status(); st.Workers[1].Name != "shop/3" {
			t.Errorf("the spare is %+v, want another one", st.Workers[1])
		}
		p.Recycle("asked")
		p.is(t, StateRunning, 2)
		if got := call(e, "GET").Body.String(); got != "shop/3" {
			t.Errorf("served by %q", got)
		}
		p.Stop()
		p.is(t, StateStopped, 0)
		p.Start()
		p.is(t, StateRunning, 2)
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		p.is(t, StateEmpty, 0)
	})
}

// puppet is the nth process that was started, from 1.
func (f *factory) puppet(n int) *puppet {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[n-1]
}
