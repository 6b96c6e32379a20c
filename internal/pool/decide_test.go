package pool

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// t0 is the time at which the tests decide.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const half = 0.5 // the roll that adds nothing and takes nothing away

// stateOf is a pool with these settings that has one image.
func stateOf(set Settings) *state {
	set = set.WithDefaults()
	s := newState(&set, t0)
	s.images = []imageState{{path: "a"}}
	return s
}

// grow brings up n workers of the generation that serves, ready since t0.
func (s *state) grow(n int) *state {
	for range n {
		id := s.begin(action{do: doStart, gen: s.gen.number}, t0, half)
		s.ready(id, []string{"a"}, nil, t0, half)
	}
	return s
}

// roll begins generation 2.
func (s *state) roll() *state {
	s.begin(action{do: doRoll, gen: 2, reason: "test"}, t0, half)
	return s
}

// grown is what the most cases begin with: one worker that is ready.
func grown(set Settings) *state { return stateOf(set).grow(1) }

// change edits a state in the middle of an expression.
func (s *state) change(f func(s *state)) *state {
	f(s)
	return s
}

var errTest = errors.New("signal 11")

func TestDecide(t *testing.T) {
	minute := time.Minute
	decided(t, map[string]decision{
		"a pool starts its worker":             {state: stateOf(Settings{}), want: []string{"start gen 1"}},
		"a garden starts all":                  {state: stateOf(Settings{Workers: 3}), want: []string{"start gen 1", "start gen 1", "start gen 1"}},
		"a garden starts what is missing":      {state: grown(Settings{Workers: 2}), want: []string{"start gen 1"}},
		"nothing to do":                        {state: grown(Settings{})},
		"more workers than wanted are left":    {state: stateOf(Settings{}).grow(2)},
		"without an image nothing is started":  {state: stateOf(Settings{}).change(func(s *state) { s.images = nil })},
		"without an image workers end":         {state: grown(Settings{}).change(func(s *state) { s.images = nil }), want: []string{"retire 1: the pool has no image"}},
		"on demand: nothing before a request":  {state: stateOf(Settings{OnDemand: true})},
		"on demand: a request starts a worker": {state: stateOf(Settings{OnDemand: true}).change(awake), want: []string{"start gen 1"}},

		"idle: not yet":         {state: stateOf(Settings{OnDemand: true, Idle: minute}).change(awake).grow(1), after: 59 * time.Second, wake: minute},
		"idle: now":             {state: stateOf(Settings{OnDemand: true, Idle: minute}).change(awake).grow(1), after: minute, want: []string{"rest: no request for 1m0s"}},
		"idle: asleep":          {state: stateOf(Settings{OnDemand: true, Idle: minute}).grow(1), want: []string{"retire 1: idle"}},
		"idle: a request runs":  {state: stateOf(Settings{OnDemand: true, Idle: minute}).change(awake).change(func(s *state) { s.inside = 1 }).grow(1), after: time.Hour, wake: time.Hour + minute},
		"idle: a request waits": {state: stateOf(Settings{OnDemand: true, Idle: minute}).change(awake).change(func(s *state) { s.waiting = 1 }).grow(1), after: time.Hour},
		"idle: off":             {state: stateOf(Settings{OnDemand: true}).change(awake).grow(1), after: time.Hour},
		"idle: not on demand":   {state: grown(Settings{Idle: minute}), after: time.Hour},

		"stop":                         {state: stateOf(Settings{Workers: 2}).grow(2).change(stop), want: []string{"retire 1: stopped", "retire 2: stopped"}},
		"stop: a worker that starts":   {state: stateOf(Settings{}).change(begin(doStart)).change(stop), want: []string{"retire 1: stopped"}},
		"stop: nothing is started":     {state: stateOf(Settings{}).change(stop)},
		"stop: no ping, no sample":     {state: grown(Settings{Ping: 1, Recycle: Recycle{Memory: 1}}).change(stop).change(retire(1)), after: minute},
		"end: workers first":           {state: grown(Settings{}).change(end), want: []string{"retire 1: closed"}},
		"end: one is not gone":         {state: grown(Settings{}).change(end).change(retire(1))},
		"end":                          {state: grown(Settings{}).change(end).change(retire(1)).change(gone(1)), want: []string{"end"}},
		"a worker that retires counts": {state: grown(Settings{}).change(retire(1)), want: []string{"start gen 1"}},

		"crash after an answer: at once":     {state: grown(Settings{}).change(answered(1)).change(gone(1)), want: []string{"start gen 1"}},
		"crash before an answer: later":      {state: grown(Settings{}).change(gone(1)), wake: 100 * time.Millisecond},
		"crash before an answer: now":        {state: grown(Settings{}).change(gone(1)), after: 100 * time.Millisecond, want: []string{"start gen 1"}},
		"second crash in a row: twice":       {state: crashed(Settings{}, 2), wake: 200 * time.Millisecond},
		"the backoff ends somewhere":         {state: crashed(Settings{Crashes: Crashes{Max: 100}}, 20), wake: 30 * time.Second},
		"one of a garden crashed":            {state: stateOf(Settings{Workers: 2}).grow(2).change(answered(1)).change(gone(1)), want: []string{"start gen 1"}},
		"start failed: later":                {state: stateOf(Settings{}).change(begin(doStart)).change(func(s *state) { s.startFailed(1, errTest, t0, half) }).change(gone(1)), wake: 100 * time.Millisecond},
		"five crashes are not too many":      {state: crashed(Settings{}, 5), after: time.Second * 2, want: []string{"start gen 1"}},
		"six are: wait":                      {state: crashed(Settings{}, 6), wake: 10 * time.Second},
		"six are: then try one of a garden":  {state: crashed(Settings{Workers: 3}, 6), after: 10 * time.Second, want: []string{"start gen 1 trial"}},
		"six, but never degraded":            {state: crashed(Settings{Crashes: Crashes{Max: -1}}, 6), after: time.Minute, want: []string{"start gen 1"}},
		"crashes leave the window":           {state: crashed(Settings{Crashes: Crashes{Window: time.Minute}}, 5).change(func(s *state) { s.grow(1); s.gone(s.number, errTest, t0.Add(2*time.Minute), half) }), after: 3 * time.Minute, want: []string{"start gen 1"}},
		"degraded: a try is under way":       {state: crashed(Settings{}, 6).change(tried), after: time.Hour},
		"degraded: the try failed":           {state: crashed(Settings{}, 6).change(tried).change(func(s *state) { s.gone(s.number, errTest, t0.Add(time.Minute), half) }), after: time.Minute, wake: time.Minute + 20*time.Second},
		"degraded: tries get rare":           {state: crashed(Settings{}, 6).change(func(s *state) { s.retries = 20 }).change(tried).change(func(s *state) { s.gone(s.number, errTest, t0, half) }), wake: 5 * time.Minute},
		"degraded: the try is up":            {state: crashed(Settings{}, 6).change(tried).change(up), wake: 5 * time.Minute},
		"degraded: it answered":              {state: crashed(Settings{}, 6).change(tried).change(up).change(func(s *state) { answered(s.number)(s) }), want: []string{"recover 7: the worker that was tried stands"}},
		"degraded: it answered a ping":       {state: crashed(Settings{}, 6).change(tried).change(up).change(func(s *state) { s.checked(s.number, nil, t0) }), want: []string{"recover 7: the worker that was tried stands"}},
		"degraded: nobody asked, it lives":   {state: crashed(Settings{}, 6).change(tried).change(up), after: 5 * time.Minute, want: []string{"recover 7: the worker that was tried stands"}},
		"degraded: a garden tries one":       {state: crashed(Settings{Workers: 3}, 6).change(tried).change(up), wake: 5 * time.Minute},
		"degraded: fewer workers are enough": {state: crashed(Settings{}, 6).grow(1), want: []string{"recover: no worker is missing"}},
		"degraded, then recycled":            {state: crashed(Settings{}, 6).change(func(s *state) { s.recycle("asked") }), want: []string{"start gen 1"}},

		"fault: retired and replaced":          {state: grown(Settings{}).change(answered(1)).change(fault(1)), want: []string{"retire 1: fault", "start gen 1"}},
		"fault before an answer: later":        {state: grown(Settings{}).change(fault(1)), want: []string{"retire 1: fault"}, wake: 100 * time.Millisecond},
		"fault, serves on: replaced first":     {state: grown(Settings{FaultedServes: true}).change(answered(1)).change(fault(1)), want: []string{"start gen 1"}},
		"fault, serves on: replacement is up":  {state: grown(Settings{FaultedServes: true}).change(answered(1)).change(fault(1)).grow(1), want: []string{"retire 1: fault"}},
		"fault of a worker that retires":       {state: stateOf(Settings{}).grow(2).change(retire(1)).change(fault(1))},
		"fault of an image while it is loaded": {state: grown(Settings{}).change(func(s *state) { s.worker(1).loading = "a" }).change(fault(1))},
		"fault while another is loaded":        {state: grown(Settings{}).change(answered(1)).change(func(s *state) { s.worker(1).loading = "b" }).change(fault(1)), want: []string{"retire 1: fault", "start gen 1"}},
		"fault of one that hangs":              {state: grown(Settings{}).change(func(s *state) { s.overdue(1, "late") }).change(fault(1)), want: []string{"retire 1: late", "start gen 1"}},
		"a request hangs":                      {state: grown(Settings{}).change(func(s *state) { s.overdue(1, "late") }), want: []string{"retire 1: late", "start gen 1"}},

		"ping: not yet":        {state: grown(Settings{Ping: minute}), wake: minute},
		"ping: now":            {state: grown(Settings{Ping: minute}), after: minute, want: []string{"ping 1"}},
		"ping: under way":      {state: grown(Settings{Ping: minute}).change(begin(doPing)), after: time.Hour},
		"ping: answered":       {state: grown(Settings{Ping: minute}).change(begin(doPing)).change(func(s *state) { s.checked(1, nil, t0.Add(minute)) }), after: minute, wake: 2 * minute},
		"ping: not answered":   {state: grown(Settings{Ping: minute}).change(begin(doPing)).change(func(s *state) { s.checked(1, errTest, t0) }), want: []string{"fail 1: signal 11"}, wake: 0},
		"ping: failed, killed": {state: grown(Settings{Ping: minute}).change(answered(1)).change(begin(doFail)), want: []string{"start gen 1"}},
		"ping: failed, counts": {state: grown(Settings{Ping: minute}).change(begin(doFail)), wake: 100 * time.Millisecond},

		"sample: not yet":   {state: grown(Settings{Recycle: Recycle{Memory: 1}}), wake: sampleEvery},
		"sample: now":       {state: grown(Settings{Recycle: Recycle{Memory: 1}}), after: sampleEvery, want: []string{"sample 1"}},
		"sample: no limits": {state: grown(Settings{}), after: time.Hour},
		"memory":            {state: grown(Settings{Recycle: Recycle{Memory: 1 << 20}}).change(func(s *state) { s.sampled(1, 3<<20, 1, t0) }), want: []string{"roll gen 2: 3 MiB resident memory of worker 1"}},
		"private memory":    {state: grown(Settings{Recycle: Recycle{PrivateMemory: 1 << 20}}).change(func(s *state) { s.sampled(1, 9<<20, 2<<20, t0) }), want: []string{"roll gen 2: 2 MiB private memory of worker 1"}},
		"memory grows":      {state: grown(Settings{Recycle: Recycle{Slope: 50 << 20}}).change(grows(11)), want: []string{"roll gen 2: memory growing by 60.0 MiB an hour of worker 1"}},
		"too few samples":   {state: grown(Settings{Recycle: Recycle{Slope: 50 << 20}}).change(grows(10)), wake: sampleEvery},

		"age: not yet":         {state: grown(Settings{Recycle: Recycle{After: time.Hour}}), wake: time.Hour},
		"age: now":             {state: grown(Settings{Recycle: Recycle{After: time.Hour}}), after: time.Hour, want: []string{"roll gen 2: age"}},
		"clock: not yet":       {state: grown(Settings{Recycle: Recycle{At: []time.Duration{13 * time.Hour, 14 * time.Hour}}}), wake: time.Hour},
		"clock: now":           {state: grown(Settings{Recycle: Recycle{At: []time.Duration{13 * time.Hour, 14 * time.Hour}}}), after: time.Hour, want: []string{"roll gen 2: clock time 13:00:00"}},
		"clock: once":          {state: grown(Settings{Recycle: Recycle{At: []time.Duration{13 * time.Hour}}}).change(func(s *state) { s.promote(s.gen, t0.Add(time.Hour), half) }), after: time.Hour, wake: 25 * time.Hour},
		"requests":             {state: grown(Settings{Recycle: Recycle{Requests: 10}}).change(func(s *state) { s.worker(1).count = 10 }), want: []string{"roll gen 2: 10 requests of worker 1"}},
		"unhealthy":            {state: grown(Settings{}).change(func(s *state) { s.unhealthy(1, "sick") }), want: []string{"roll gen 2: sick"}},
		"asked":                {state: grown(Settings{}).change(func(s *state) { s.recycle("asked") }), want: []string{"roll gen 2: asked"}},
		"asked of a stopped":   {state: stateOf(Settings{}).change(stop).change(func(s *state) { s.recycle("asked") })},
		"asked while it comes": {state: stateOf(Settings{}).change(begin(doStart)).change(func(s *state) { s.recycle("asked") }).change(up)},

		"overlap: the new one starts":        {state: grown(Settings{}).roll(), want: []string{"start gen 2"}},
		"overlap: the old one serves on":     {state: grown(Settings{}).roll().change(begin(doStart, 2))},
		"overlap: the new one is ready":      {state: grown(Settings{}).roll().change(begin(doStart, 2)).change(up), want: []string{"promote gen 2: test"}},
		"overlap: then the old one ends":     {state: grown(Settings{}).roll().change(begin(doStart, 2)).change(up).change(begin(doPromote)), want: []string{"retire 1: replaced by generation 2"}},
		"overlap: a garden waits for all":    {state: stateOf(Settings{Workers: 2}).grow(2).roll().change(begin(doStart, 2)).change(up), want: []string{"start gen 2"}},
		"overlap: unless nothing serves":     {state: stateOf(Settings{Workers: 2}).grow(2).roll().change(begin(doStart, 2)).change(up).change(gone(1)).change(gone(2)), want: []string{"promote gen 2: test"}},
		"overlap: the old one is replaced":   {state: grown(Settings{}).roll().change(begin(doStart, 2)).change(answered(1)).change(gone(1)), want: []string{"start gen 1"}},
		"overlap: the new one crashed":       {state: grown(Settings{}).roll().change(begin(doStart, 2)).change(gone(2)), want: []string{"abandon gen 2: signal 11"}},
		"overlap: it crashed when ready":     {state: stateOf(Settings{Workers: 2}).grow(2).roll().change(begin(doStart, 2)).change(up).change(gone(3)), want: []string{"abandon gen 2: signal 11"}},
		"overlap: it cannot load":            {state: grown(Settings{}).roll().change(begin(doStart, 2)).change(func(s *state) { s.images = append(s.images, imageState{path: "b"}) }).change(func(s *state) { s.ready(2, []string{"b"}, map[string]error{"a": errTest}, t0, half) }), want: []string{"abandon gen 2: image a cannot be loaded: signal 11"}},
		"overlap: later again":               {state: grown(Settings{}).change(func(s *state) { s.recycle("asked") }).roll().change(begin(doStart, 2)).change(gone(2)).change(begin(doAbandon)), wake: 10 * time.Second},
		"overlap: again, a new number":       {state: grown(Settings{}).change(func(s *state) { s.recycle("asked") }).roll().change(begin(doStart, 2)).change(gone(2)).change(begin(doAbandon)), after: 10 * time.Second, want: []string{"roll gen 3: asked"}},
		"overlap: the settings changed":      {state: grown(Settings{}).roll().change(begin(doStart, 2)).change(func(s *state) { s.configured(s.set, t0) }), want: []string{"retire 2: replaced by generation 1"}},
		"no overlap: the old one ends first": {state: grown(Settings{Recycle: Recycle{NoOverlap: true}}).roll(), want: []string{"retire 1: replaced by generation 2"}},
		"no overlap: it is not gone":         {state: grown(Settings{Recycle: Recycle{NoOverlap: true}}).roll().change(retire(1))},
		"no overlap: it is gone":             {state: grown(Settings{Recycle: Recycle{NoOverlap: true}}).roll().change(retire(1)).change(gone(1)), want: []string{"start gen 2"}},

		"load: another image":            {state: grown(Settings{}).change(open("b")), want: []string{"load 1 b"}},
		"load: first in one of a garden": {state: stateOf(Settings{Workers: 2}).grow(2).change(open("b")).change(begin(doLoad)), wake: 0},
		"load: in one of a garden":       {state: stateOf(Settings{Workers: 2}).grow(2).change(open("b")), want: []string{"load 1 b"}},
		"load: then in the others":       {state: stateOf(Settings{Workers: 2}).grow(2).change(open("b")).change(begin(doLoad)).change(func(s *state) { s.imageLoaded(1, "b", nil, t0) }), want: []string{"load 2 b"}},
		"load: it failed":                {state: stateOf(Settings{Workers: 2}).grow(2).change(open("b")).change(begin(doLoad)).change(func(s *state) { s.imageLoaded(1, "b", errTest, t0) })},
		"load: it failed in the second": {state: stateOf(Settings{Workers: 2}).grow(2).change(open("b")).change(begin(doLoad)).change(func(s *state) {
			s.imageLoaded(1, "b", nil, t0)
			s.worker(2).loading = "b"
			s.imageLoaded(2, "b", errTest, t0)
		}), wake: reloadAfter},
		"load: it killed the worker":       {state: grown(Settings{}).change(answered(1)).change(open("b")).change(begin(doLoad)).change(gone(1)), want: []string{"start gen 1"}},
		"load: the only one killed it":     {state: stateOf(Settings{}).change(func(s *state) { s.images = nil }).change(open("b")).change(begin(doStart)).change(gone(1))},
		"load: the only one was refused":   {state: stateOf(Settings{}).change(func(s *state) { s.images = nil }).change(open("b")).change(begin(doStart)).change(func(s *state) { s.ready(1, nil, map[string]error{"b": errTest}, t0, half) }), want: []string{"retire 1: the pool has no image"}},
		"load: the next, while one starts": {state: stateOf(Settings{}).change(begin(doStart)).change(open("b"))},
	})
}

// decision is what is to be decided in a state.
type decision struct {
	state *state
	after time.Duration // since t0
	want  []string
	wake  time.Duration // since t0; 0: never
}

func decided(t *testing.T, table map[string]decision) {
	for name, c := range table {
		t.Run(name, func(t *testing.T) {
			actions, wake := decide(c.state, t0.Add(c.after))
			var got []string
			for _, a := range actions {
				got = append(got, a.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if want := t0.Add(c.wake); len(c.want) == 0 && c.wake == 0 && !wake.IsZero() || c.wake != 0 && !wake.Equal(want) {
				t.Errorf("wakes at %v, want %v", wake.Sub(t0), c.wake)
			}
		})
	}
}

func awake(s *state) { s.awake = true }
func stop(s *state)  { s.want, s.reason = wantStop, "stopped" }
func end(s *state)   { s.want, s.reason = wantEnd, "closed" }

func answered(id int) func(*state) { return func(s *state) { s.worker(id).answered = true } }
func gone(id int) func(*state)     { return func(s *state) { s.gone(id, errTest, t0, half) } }
func fault(id int) func(*state)    { return func(s *state) { s.fault(id, "a", "fault", t0, half) } }
func open(image string) func(*state) {
	return func(s *state) { s.addImage(image, executor.Version{}) }
}

func retire(id int) func(*state) {
	return func(s *state) { s.begin(action{do: doRetire, worker: id}, t0, half) }
}

// begin carries out one action: a start of a generation (default: the first), anything else with worker 1 and image "b".
func begin(do deed, gen ...int) func(*state) {
	a := action{do: do, gen: 1, image: "b", reason: "failed"}
	if do != doStart {
		a.worker = 1
	}
	if len(gen) > 0 {
		a.gen = gen[0]
	}
	return func(s *state) { s.begin(a, t0, half) }
}

// up: the worker that was started last is ready.
func up(s *state) { s.ready(s.number, []string{"a"}, nil, t0, half) }

// tried: the worker that a degraded pool tries was started.
func tried(s *state) { s.begin(action{do: doStart, gen: s.gen.number, trial: true}, t0, half) }

// crashed is a pool whose first n workers died before they answered.
func crashed(set Settings, n int) *state {
	s := stateOf(set)
	for range n {
		s.grow(1)
		s.gone(s.number, errTest, t0, half)
	}
	return s
}

// grows: n samples of worker 1, one a minute, each 1 MiB more.
func grows(n int) func(*state) {
	return func(s *state) {
		for i := range n {
			s.worker(1).trend.add(t0.Add(time.Duration(i)*time.Minute), int64(i)<<20)
		}
	}
}

// TestDecideOnce: once an action is noted, it is not decided again.
func TestDecideOnce(t *testing.T) {
	s := stateOf(Settings{Workers: 2, Ping: time.Minute, Recycle: Recycle{Memory: 1, Requests: 1}}).grow(2)
	s.worker(1).count = 1
	s.addImage("b", executor.Version{})
	now := t0.Add(time.Minute)
	for round := range 10 {
		actions, _ := decide(s, now)
		if len(actions) == 0 {
			return
		}
		for _, a := range actions {
			t.Logf("round %d: %v", round, a)
			s.begin(a, now, half)
		}
	}
	t.Error("there is always something to do")
}

func TestAnswers(t *testing.T) {
	image := func(s *state) { s.images = nil; s.addImage("b", executor.Version{}) }
	for name, c := range map[string]struct {
		state *state
		want  []answer
		left  int // images
	}{
		"loaded at the start":      {stateOf(Settings{}).change(image).change(begin(doStart)).change(func(s *state) { s.ready(1, []string{"b"}, nil, t0, half) }), []answer{{"b", executor.Version{}, nil}}, 1},
		"refused at the start":     {stateOf(Settings{}).change(image).change(begin(doStart)).change(func(s *state) { s.ready(1, nil, map[string]error{"b": errTest}, t0, half) }), []answer{{"b", executor.Version{}, errTest}}, 0},
		"killed the start":         {stateOf(Settings{}).change(image).change(begin(doStart)).change(gone(1)), []answer{{"b", executor.Version{}, errTest}}, 0},
		"no start":                 {stateOf(Settings{}).change(image).change(begin(doStart)).change(func(s *state) { s.startFailed(1, errTest, t0, half) }), []answer{{"b", executor.Version{}, errTest}}, 0},
		"loaded":                   {grown(Settings{}).change(open("b")).change(begin(doLoad)).change(func(s *state) { s.imageLoaded(1, "b", nil, t0) }), []answer{{"b", executor.Version{}, nil}}, 2},
		"refused":                  {grown(Settings{}).change(open("b")).change(begin(doLoad)).change(func(s *state) { s.imageLoaded(1, "b", errTest, t0) }), []answer{{"b", executor.Version{}, errTest}}, 1},
		"killed a worker":          {grown(Settings{}).change(open("b")).change(begin(doLoad)).change(gone(1)), []answer{{"b", executor.Version{}, errTest}}, 1},
		"the old one: no answer":   {grown(Settings{}).change(gone(1)), nil, 1},
		"asleep: taken as it is":   {stateOf(Settings{OnDemand: true}).change(open("b")), nil, 2},
		"asleep again":             {stateOf(Settings{OnDemand: true}).change(awake).change(open("b")).change(func(s *state) { s.begin(action{do: doRest}, t0, half) }), []answer{{"b", executor.Version{}, nil}}, 2},
		"of two, one is tried":     {stateOf(Settings{}).change(image).change(open("c")).change(begin(doStart)).change(gone(1)), []answer{{"b", executor.Version{}, errTest}}, 1},
		"late, the worker is gone": {grown(Settings{}).change(open("b")).change(begin(doLoad)).change(gone(1)).change(func(s *state) { s.imageLoaded(1, "b", nil, t0) }), []answer{{"b", executor.Version{}, errTest}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if !slices.Equal(c.state.answers, c.want) {
				t.Errorf("answers %v, want %v", c.state.answers, c.want)
			}
			if len(c.state.images) != c.left {
				t.Errorf("%d images left, want %d", len(c.state.images), c.left)
			}
		})
	}
}

func TestJitter(t *testing.T) {
	for roll, want := range map[float64]time.Duration{0: 80, 0.5: 100, 0.75: 110} {
		if got := jitter(100, roll); got != want {
			t.Errorf("roll %v: %d, want %d", roll, got, want)
		}
	}
}

func TestNextClock(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	three := []time.Duration{3 * time.Hour}
	for _, c := range []struct{ now, want time.Time }{
		{time.Date(2026, 1, 1, 2, 59, 0, 0, berlin), time.Date(2026, 1, 1, 3, 0, 0, 0, berlin)},
		{time.Date(2026, 1, 1, 3, 0, 0, 0, berlin), time.Date(2026, 1, 2, 3, 0, 0, 0, berlin)},
		{time.Date(2026, 12, 31, 4, 0, 0, 0, berlin), time.Date(2027, 1, 1, 3, 0, 0, 0, berlin)},
		{time.Date(2026, 3, 28, 4, 0, 0, 0, berlin), time.Date(2026, 3, 29, 3, 0, 0, 0, berlin)}, // a day of 23 hours
	} {
		if got := nextClock(three, c.now); !got.Equal(c.want) {
			t.Errorf("after %v: %v, want %v", c.now, got, c.want)
		}
	}
	if got := nextClock(nil, t0); !got.IsZero() {
		t.Errorf("without clock times: %v", got)
	}
}
