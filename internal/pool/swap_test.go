package pool

import (
	"errors"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
)

var (
	one = executor.Version{File: "/v/1", SHA256: "11111111111111111111"}
	two = executor.Version{File: "/v/2", SHA256: "22222222222222222222"}
)

var errOutside = &remote.Obituary{Exit: proc.Exit{Code: -1, Signal: 9}}

// asked is a pool whose image is to be replaced.
func asked(s *state, hold bool) *state {
	if err := s.ask(&swap{image: "a", to: two, hold: hold, reason: "test"}); err != nil {
		panic(err)
	}
	return s
}

// turn begins the replacement; the new generation is 2.
func turn(s *state) { s.begin(action{do: doReplace, gen: s.last + 1}, t0, half) }

// next carries out what brings a replacement forward.
func next(do deed) func(*state) {
	return func(s *state) { s.begin(action{do: do}, t0, half) }
}

// isProven is a pool with a new version that could serve, in worker 2.
func isProven(set Settings) *state {
	return asked(grown(set), false).change(turn).change(begin(doStart, 2)).change(up).change(next(doProven))
}

func commit(s *state) { s.commit(s.swap, t0, half) }
func settle(s *state) { s.settle(s.swap) }
func revert(s *state) { s.revert(s.swap, t0) }

// emptied is a pool whose old version has ended so that the new one may start.
func emptied(set Settings) *state {
	return asked(grown(set), true).change(turn).change(retire(1)).change(gone(1)).change(next(doProve))
}

// drains adds a generation that is not gone yet.
func drains(gen int) func(*state) {
	return func(s *state) {
		s.number++
		s.workers = append(s.workers, worker{id: s.number, gen: gen, phase: retiring})
	}
}

func dies(id int, err error) func(*state) {
	return func(s *state) { s.gone(id, err, t0, half) }
}

func TestDecideSwap(t *testing.T) {
	const tooFew = "reject gen 2 a: signal 11"
	idle := Settings{OnDemand: true, Idle: time.Minute}
	limit := Settings{Recycle: Recycle{Requests: 1}}
	used := func(s *state) { s.workers[0].count = 9 }
	faults := func(id int) func(*state) { return func(s *state) { s.fault(id, "a", "fault", t0, half) } }

	decided(t, map[string]decision{
		"its turn":                       {state: asked(grown(Settings{}), false), want: []string{"replace gen 2 a: test"}},
		"its turn comes before a limit":  {state: asked(grown(limit).change(used), false), want: []string{"replace gen 2 a: test"}},
		"one generation drains":          {state: asked(grown(Settings{}).change(drains(0)), false), want: []string{"replace gen 2 a: test"}},
		"two generations drain":          {state: asked(grown(Settings{}).change(drains(-1)).change(drains(0)), false)},
		"the second waits":               {state: asked(isProven(Settings{}), false)},
		"a rollout gives way":            {state: asked(grown(Settings{}).roll(), false).change(turn), want: []string{"start gen 3"}},
		"the new version starts":         {state: asked(grown(Settings{}), false).change(turn), want: []string{"start gen 2"}},
		"a garden of it":                 {state: asked(stateOf(Settings{Workers: 2}).grow(2), false).change(turn), want: []string{"start gen 2", "start gen 2"}},
		"it starts":                      {state: asked(grown(Settings{}), false).change(turn).change(begin(doStart, 2))},
		"it is ready":                    {state: asked(grown(Settings{}), false).change(turn).change(begin(doStart, 2)).change(up), want: []string{"proven gen 2 a"}},
		"half of it is ready":            {state: asked(stateOf(Settings{Workers: 2}).grow(2), false).change(turn).change(begin(doStart, 2)).change(begin(doStart, 2)).change(up)},
		"it dies":                        {state: asked(grown(Settings{}), false).change(turn).change(begin(doStart, 2)).change(gone(2)), want: []string{tooFew}},
		"it is killed from outside":      {state: asked(grown(Settings{}), false).change(turn).change(begin(doStart, 2)).change(dies(2, errOutside)), want: []string{"reject gen 2 a: " + errOutside.Error()}},
		"it dies when half is ready":     {state: asked(stateOf(Settings{Workers: 2}).grow(2), false).change(turn).change(begin(doStart, 2)).change(begin(doStart, 2)).change(up).change(gone(3)), want: []string{tooFew}},
		"it faults when half is ready":   {state: asked(stateOf(Settings{Workers: 2}).grow(2), false).change(turn).change(begin(doStart, 2)).change(begin(doStart, 2)).change(up).change(faults(4)), want: []string{"reject gen 2 a: fault"}},
		"it cannot be loaded":            {state: asked(grown(Settings{}), false).change(turn).change(begin(doStart, 2)).change(refuses(2, "a")), want: []string{tooFew}},
		"nor what runs beside it":        {state: asked(grown(Settings{}).change(beside), false).change(turn).change(begin(doStart, 2)).change(refuses(2, "b")), want: []string{"reject gen 2 a: image b cannot be loaded: signal 11"}},
		"what ran nowhere does not stop": {state: asked(grown(Settings{}), false).change(turn).change(begin(doStart, 2)).change(refuses(2, "c")), want: []string{"proven gen 2 a"}},
		"rejected":                       {state: asked(stateOf(Settings{Workers: 2}).grow(2), false).change(turn).change(begin(doStart, 2)).change(up).change(begin(doStart, 2)).change(gone(4)).change(next(doReject)), want: []string{"retire 3: replaced by generation 1"}},
		"no second try":                  {state: asked(grown(Settings{}), false).change(turn).change(begin(doStart, 2)).change(gone(2)).change(next(doReject)), after: time.Hour},
		"the old one dies meanwhile":     {state: asked(grown(Settings{}), false).change(turn).change(begin(doStart, 2)).change(answered(1)).change(gone(1)), want: []string{"start gen 1"}},
		"the settings change meanwhile":  {state: asked(grown(Settings{}), false).change(turn).change(begin(doStart, 2)).change(func(s *state) { s.configured(s.set, t0); s.recycle("settings") })},

		"proven: nothing happens by itself":   {state: isProven(limit).change(used), after: time.Hour},
		"proven: a worker that answered dies": {state: isProven(Settings{}).change(answered(2)).change(gone(2)), want: []string{"start gen 2"}},
		"proven: one is killed from outside":  {state: isProven(Settings{}).change(dies(2, errOutside)), want: []string{"start gen 2"}},
		"proven: one dies before an answer":   {state: isProven(Settings{}).change(gone(2))},
		"proven: a fault":                     {state: isProven(Settings{}).change(faults(2)), want: []string{"start gen 2", "retire 2: fault"}},
		"proven: it has retired":              {state: isProven(Settings{}).change(faults(2)).change(retire(2)), want: []string{"start gen 2"}},
		"proven: the old one is kept up":      {state: isProven(Settings{}).change(answered(1)).change(gone(1)), want: []string{"start gen 1"}},
		"proven: both are pinged":             {state: isProven(Settings{Ping: time.Minute}), after: time.Minute, want: []string{"ping 1", "ping 2"}},
		"proven: taken back":                  {state: isProven(Settings{}).change(revert), want: []string{"retire 2: replaced by generation 1"}},
		"proven: stopped":                     {state: isProven(Settings{}).change(stop), want: []string{"retire 1: stopped", "retire 2: stopped"}},

		"committed: the old one is kept warm":    {state: isProven(limit).change(commit).change(used), after: time.Hour},
		"committed: it is pinged":                {state: isProven(Settings{Ping: time.Minute}).change(commit), after: time.Minute, want: []string{"ping 1", "ping 2"}},
		"committed: it is not started again":     {state: isProven(Settings{}).change(commit).change(gone(1))},
		"committed: a fault in it":               {state: isProven(Settings{}).change(commit).change(answered(1)).change(faults(1)), want: []string{"retire 1: fault"}},
		"committed: the new one is":              {state: isProven(Settings{}).change(commit).change(answered(2)).change(gone(2)), want: []string{"start gen 2"}},
		"committed: settled":                     {state: isProven(Settings{}).change(commit).change(settle), want: []string{"retire 1: replaced by generation 2"}},
		"committed: what was asked comes after":  {state: isProven(Settings{}).change(func(s *state) { s.recycle("asked") }).change(commit).change(settle).change(retire(1)), want: []string{"roll gen 3: asked"}},
		"committed: what was asked before: done": {state: asked(grown(Settings{}).change(func(s *state) { s.recycle("asked") }), false).change(turn).change(begin(doStart, 2)).change(up).change(next(doProven)).change(commit).change(settle).change(retire(1))},
		"committed: the next has its turn":       {state: asked(isProven(Settings{}).change(commit), false).change(settle), want: []string{"replace gen 3 a: test"}},
		"committed: reverted":                    {state: isProven(Settings{}).change(commit).change(revert), want: []string{"retire 2: replaced by generation 1"}},
		"committed: reverted, nothing is warm":   {state: isProven(Settings{}).change(commit).change(gone(1)).change(revert), want: []string{"retire 2: replaced by generation 1", "start gen 1"}},

		"hold: the old one ends":         {state: asked(grown(Settings{}), true).change(turn), want: []string{"retire 1: generation 2 may not run beside it"}},
		"hold: what drained ends, too":   {state: asked(stateOf(Settings{}).change(drains(0)), true).change(turn)},
		"hold: it has not ended":         {state: asked(grown(Settings{}), true).change(turn).change(retire(1)), after: time.Hour},
		"hold: it has ended":             {state: asked(grown(Settings{}), true).change(turn).change(retire(1)).change(gone(1)), want: []string{"prove gen 2 a"}},
		"hold: the new one starts":       {state: emptied(Settings{}), want: []string{"start gen 2"}},
		"hold: the new one is ready":     {state: emptied(Settings{}).change(begin(doStart, 2)).change(up), want: []string{"proven gen 2 a"}},
		"hold: the new one dies":         {state: emptied(Settings{}).change(begin(doStart, 2)).change(gone(2)), want: []string{tooFew}},
		"hold: rejected":                 {state: emptied(Settings{}).change(begin(doStart, 2)).change(gone(2)).change(next(doReject)), want: []string{"start gen 3"}},
		"hold: taken back":               {state: emptied(Settings{}).change(begin(doStart, 2)).change(up).change(next(doProven)).change(revert), want: []string{"retire 2: replaced by generation 3"}},
		"hold: taken back, it drains":    {state: emptied(Settings{}).change(begin(doStart, 2)).change(up).change(next(doProven)).change(revert).change(retire(2)), after: time.Hour},
		"hold: taken back, it has ended": {state: emptied(Settings{}).change(begin(doStart, 2)).change(up).change(next(doProven)).change(revert).change(retire(2)).change(gone(2)), want: []string{"start gen 3"}},
		"hold: committed":                {state: emptied(Settings{}).change(begin(doStart, 2)).change(up).change(next(doProven)).change(commit), after: time.Hour},
		"hold: reverted":                 {state: emptied(Settings{}).change(begin(doStart, 2)).change(up).change(next(doProven)).change(commit).change(revert), want: []string{"retire 2: replaced by generation 3"}},

		"asleep: only the new one starts": {state: asked(stateOf(idle), false).change(turn), want: []string{"start gen 2"}},
		"asleep: taken back":              {state: asked(stateOf(idle), false).change(turn).change(begin(doStart, 2)).change(up).change(next(doProven)).change(revert), want: []string{"retire 1: idle"}},
		"asleep: watched":                 {state: asked(stateOf(idle), false).change(turn).change(begin(doStart, 2)).change(up).change(next(doProven)).change(commit), after: time.Hour},
		"asleep: to sleep again":          {state: asked(stateOf(idle), false).change(turn).change(begin(doStart, 2)).change(up).change(next(doProven)).change(commit).change(settle), after: time.Hour, want: []string{"rest: no request for 1m0s"}},
		"degraded: the new one starts":    {state: asked(crashed(Settings{}, 6), false).change(turn), want: []string{"start gen 2"}, wake: 10 * time.Second},
	})
}

// refuses has worker id load all but one image.
func refuses(id int, image string) func(*state) {
	return func(s *state) {
		var loaded []string
		for _, m := range s.images {
			if m.path != image {
				loaded = append(loaded, m.path)
			}
		}
		s.ready(id, loaded, map[string]error{image: errTest}, t0, half)
	}
}

// beside adds an image that worker 1 has loaded.
func beside(s *state) {
	s.images = append(s.images, imageState{path: "b"})
	s.workers[0].loaded = append(s.workers[0].loaded, "b")
}

// TestSwapVersions: which version a worker loads, by its generation, at each stage.
func TestSwapVersions(t *testing.T) {
	first := func(s *state) *state { s.images[0].version = one; return s }
	begun := func() *state {
		return asked(first(grown(Settings{})), false).change(turn).change(begin(doStart, 2)).change(up).change(next(doProven))
	}
	held := func() *state {
		return asked(first(grown(Settings{})), true).change(turn).change(retire(1)).change(gone(1)).change(next(doProve)).change(begin(doStart, 2)).change(up).change(next(doProven))
	}
	for name, c := range map[string]struct {
		state   *state
		gen     int
		version map[int]executor.Version
	}{
		"before":         {first(grown(Settings{})), 1, map[int]executor.Version{1: one}},
		"proven":         {begun(), 1, map[int]executor.Version{1: one, 2: two}},
		"committed":      {begun().change(commit), 2, map[int]executor.Version{1: one, 2: two}},
		"settled":        {begun().change(commit).change(settle), 2, map[int]executor.Version{2: two}},
		"taken back":     {begun().change(revert), 1, map[int]executor.Version{1: one}},
		"reverted":       {begun().change(commit).change(revert), 1, map[int]executor.Version{1: one}},
		"hold":           {held(), 1, map[int]executor.Version{2: two}},
		"hold, reverted": {held().change(commit).change(revert), 3, map[int]executor.Version{3: one}},
		"image closed":   {begun().change(func(s *state) { s.dropImage("a") }), 1, map[int]executor.Version{1: {}, 2: {}}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.state.gen.number != c.gen {
				t.Errorf("generation %d serves, want %d", c.state.gen.number, c.gen)
			}
			for gen, want := range c.version {
				if got := c.state.version(gen, "a"); got != want {
					t.Errorf("generation %d loads %+v, want %+v", gen, got, want)
				}
			}
		})
	}
}

// TestSwapEnds: how each stage ends when the pool or the image does.
func TestSwapEnds(t *testing.T) {
	stopped := errors.New("stopped")
	for name, c := range map[string]struct {
		state *state
		end   func(*state)
		stage stage
		err   error
	}{
		"waits, stop":     {asked(grown(Settings{}), false), func(s *state) { s.stopSwaps(stopped) }, withdrawn, stopped},
		"starts, stop":    {asked(grown(Settings{}), false).change(turn), func(s *state) { s.stopSwaps(stopped) }, withdrawn, stopped},
		"hold, stop":      {asked(grown(Settings{}), true).change(turn), func(s *state) { s.stopSwaps(stopped) }, withdrawn, stopped},
		"proven, stop":    {isProven(Settings{}), func(s *state) { s.stopSwaps(stopped) }, proven, nil},
		"committed, stop": {isProven(Settings{}).change(commit), func(s *state) { s.stopSwaps(stopped) }, serving, nil},
		"waits, close":    {asked(grown(Settings{}), false), func(s *state) { s.dropImage("a") }, withdrawn, executor.ErrClosed},
		"starts, close":   {asked(grown(Settings{}), false).change(turn), func(s *state) { s.dropImage("a") }, withdrawn, executor.ErrClosed},
		"proven, close":   {isProven(Settings{}), func(s *state) { s.dropImage("a") }, withdrawn, executor.ErrClosed},
		"committed, close": {
			isProven(Settings{}).change(commit), func(s *state) { s.dropImage("a") }, settled, nil,
		},
		"other image": {isProven(Settings{}).change(beside), func(s *state) { s.dropImage("b") }, proven, nil},
	} {
		t.Run(name, func(t *testing.T) {
			sw := c.state.swaps()[0]
			c.end(c.state)
			if sw.stage != c.stage || !errors.Is(sw.failed, c.err) {
				t.Errorf("%v, %v; want %v, %v", sw.stage, sw.failed, c.stage, c.err)
			}
			if over := sw.stage > serving; over == c.state.swapping() {
				t.Errorf("over: %v, but the pool replaces: %v", over, c.state.swapping())
			}
		})
	}
}

// TestSwapForgets: a commit is the way out of the state of degraded.
func TestSwapForgets(t *testing.T) {
	s := asked(crashed(Settings{}, 6), false)
	if !s.degraded {
		t.Fatal("not degraded")
	}
	s.change(turn)
	s.begin(action{do: doStart, gen: s.swap.new}, t0, half)
	s.change(up).change(next(doProven)).change(commit)
	if s.degraded || len(s.crashes) > 0 {
		t.Errorf("degraded: %v, %d crashes", s.degraded, len(s.crashes))
	}
}
