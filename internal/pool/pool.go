package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/tally"
)

// Pool is a set of workers with one policy. Make it with [New]; it is safe for concurrent use.
type Pool struct {
	name  string
	log   *slog.Logger
	start func(context.Context, remote.Settings) (process, error)

	policy  atomic.Pointer[Settings]
	waiting atomic.Int64 // requests without a worker
	lastUse atomic.Int64 // end of the last request, in Unix nanoseconds; kept for on-demand pools
	homes   homes

	mu       sync.Mutex // guards all below; never held while something is waited for
	state    *state
	slots    map[int]*slot
	members  map[string]*member
	openings map[string][]chan error // those who wait for an image to be loaded
	killers  map[build]killer        // versions that killed a worker while it loaded them
	counters map[counted]*tally.Counter
	deaths   []Death
	told     time.Time       // the next try of a degraded pool that the log knows
	emptied  []chan struct{} // closed when there is no worker, but for what is kept for a debugger
	blocked  []string        // what did not end by itself, and nobody was told
	waiters  []*waiter       // those who wait for a fact
	swaps    []*replacement  // that may still have an old version
	drains   map[int]int     // how many workers of a generation are being drained
	held     *holding        // who waits because a version must end first; nil: nobody

	kick   chan struct{} // has an element when there may be something to decide
	done   chan struct{} // closed when the loop has ended
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // what the loop has carried out
}

// New makes a pool and starts its loop. It has no worker before it has an image. The caller must call Close.
func New(set Settings) *Pool { return newPool(set, startRemote) }

func newPool(set Settings, start func(context.Context, remote.Settings) (process, error)) *Pool {
	set = set.WithDefaults()
	p := &Pool{
		name: set.Name, log: set.Log.With("pool", set.Name), start: start,
		state: newState(&set, time.Now()), slots: map[int]*slot{}, members: map[string]*member{},
		openings: map[string][]chan error{}, killers: map[build]killer{}, counters: map[counted]*tally.Counter{}, drains: map[int]int{},
		kick: make(chan struct{}, 1), done: make(chan struct{}), homes: homes{of: map[uint64]*slot{}},
	}
	p.policy.Store(&set)
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	go p.run()
	return p
}

// event changes what the pool knows, and has it decided what to do about it.
func (p *Pool) event(f func(s *state, now time.Time)) {
	p.mu.Lock()
	p.count()
	f(p.state, time.Now())
	p.mu.Unlock()
	p.wake()
}

// reroute is an event after which requests are routed as it says when it returns.
func (p *Pool) reroute(f func(s *state, now time.Time)) {
	p.event(func(s *state, now time.Time) {
		f(s, now)
		p.publish()
	})
}

func (p *Pool) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// roll is the chance in what is decided.
func roll() float64 { return rand.Float64() }

// Open has every worker of the pool load a version of an image, those of later generations too, and returns when the first one has.
// An error is what the load said, or how the worker died of it; the pool goes on with the other images. A pool that is stopped,
// or sleeps until there is a request, takes the image unseen. The caller must close the executor; who opens an image again gets
// the same one, in the version it has now, but not one that is being closed: that is another.
func (p *Pool) Open(ctx context.Context, path string, v executor.Version) (executor.Replaceable, error) {
	m, answer, err := p.open(path, v)
	if err != nil {
		return nil, fmt.Errorf("pool %q: image %q: %w", p.name, path, err)
	}
	if answer == nil {
		return m, nil
	}
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-p.done:
		err = executor.ErrClosed
	}
	if err != nil {
		p.forsake(m)
		return nil, err
	}
	return m, nil
}

// open makes or finds the executor of an image. With a channel the caller must wait for its answer.
func (p *Pool) open(path string, v executor.Version) (m *member, answer chan error, err error) {
	defer p.wake()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	if s.want == wantEnd {
		return nil, nil, executor.ErrClosed
	}
	if err := p.killed(build{path, v}); err != nil {
		return nil, nil, err
	}
	if s.degraded && s.awakened() && s.count(s.gen.number, ready) == 0 && s.image(path) == nil {
		return nil, nil, fmt.Errorf("the pool is degraded: %d workers died within %v", len(s.crashes), s.set.Crashes.Window)
	}
	if m = p.members[path]; m != nil && m.Closed() {
		p.outlive(m)
		m = nil
	}
	if m == nil {
		m = newMember(p, path)
		p.members[path] = m
	}
	m.users++
	if s.addImage(path, v) {
		answer = make(chan error, 1)
		p.openings[path] = append(p.openings[path], answer)
	}
	return m, answer, nil
}

// forsake undoes an open.
func (p *Pool) forsake(m *member) {
	p.event(func(s *state, _ time.Time) {
		if m.users--; m.users == 0 && p.members[m.path] == m {
			m.Gate.Close()
			delete(p.members, m.path)
			p.drop(m.path)
		}
	})
}

// Recycle replaces the workers by new ones, and has a degraded pool try at once. While a version of an image is being replaced, the
// workers that serve at the end of that are, afterwards.
func (p *Pool) Recycle(reason string) {
	p.event(func(s *state, _ time.Time) { s.recycle(reason) })
}

// Stop ends the workers once they have finished their requests; further ones are answered 503. It does not wait. A version that is
// being loaded to replace another is given up.
func (p *Pool) Stop() {
	p.event(func(s *state, _ time.Time) {
		if s.want == wantRun {
			s.want, s.reason = wantStop, executor.ErrStopped.Error()
			s.takeUnseen()
			s.stopSwaps(executor.ErrStopped)
		}
	})
	p.log.Info("pool is stopped")
}

// Start undoes Stop.
func (p *Pool) Start() {
	p.event(func(s *state, _ time.Time) {
		if s.want == wantStop {
			s.want, s.reason = wantRun, ""
			s.forget()
		}
	})
	p.log.Info("pool is started")
}

// Configure has other settings take effect: with recycle on the workers there are, by a new generation; else on those that will be started.
// The name stays.
func (p *Pool) Configure(set Settings, recycle bool) {
	set = set.WithDefaults()
	set.Name = p.name
	p.event(func(s *state, now time.Time) {
		p.policy.Store(&set)
		s.configured(&set, now)
		if recycle {
			s.recycle("other settings")
		}
	})
	p.log.Info("pool has other settings", "recycle", recycle)
}

// patience is how long Close waits for processes that were killed.
const patience = 10 * time.Second

// Close refuses new requests, waits for those that run, and ends the workers; when ctx ends before, it kills them. Nothing of the
// pool is left then. The error names what did not end by itself, once.
func (p *Pool) Close(ctx context.Context) error {
	p.event(func(s *state, _ time.Time) {
		s.want, s.reason = wantEnd, "the pool is closed"
		s.stopSwaps(executor.ErrClosed)
		for i := range s.workers {
			if w := &s.workers[i]; w.orphan {
				p.slots[w.id].process.Kill("the pool is closed")
			}
		}
	})
	select {
	case <-p.done:
	case <-ctx.Done():
		p.cancel(fmt.Errorf("pool %q is closed: %w", p.name, context.Cause(ctx)))
		select {
		case <-p.done:
		case <-time.After(patience):
			return fmt.Errorf("pool %q: workers that were killed do not end", p.name)
		}
	}
	return p.takeBlocked()
}

// errEnded is why what a pool does is given up at its end.
var errEnded = errors.New("the pool has ended")
