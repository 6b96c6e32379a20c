package front

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

// switching runs an extension in this process until its first contained fault, and in workers from then on: on_fault isolate.
type switching struct {
	now     atomic.Pointer[chosen]
	inside  executor.Executor
	using   atomic.Int64 // requests that run in this process, or may
	isolate func() (executor.Executor, error)

	once   sync.Once
	moving sync.WaitGroup
	open   context.Context // ends when Close begins
	shut   context.CancelFunc
}

// chosen is the executor that runs what comes next.
type chosen struct{ executor.Executor }

func (f *Front) openSwitching(in *setup, k key, p *config.Pool) (executor.Executor, error) {
	s := &switching{isolate: func() (executor.Executor, error) { return f.isolate(context.Background(), in, k) }}
	s.open, s.shut = context.WithCancel(f.ending)
	o := f.optionsHere(k, p)
	o.OnFault = executor.FaultKeep
	log := o.Logger
	o.Faulted = func(fault error) {
		f.buryFault(k, fault, "the image moves into a worker")
		s.once.Do(func() {
			s.moving.Go(func() {
				e, err := s.isolate()
				if err != nil {
					log.Error("extension stays in this process after a fault: it cannot be isolated", "image", k.image, "error", err)
					return
				}
				s.now.Store(&chosen{e})
				log.Warn("extension is isolated from now on", "image", k.image, "because", fault)
				s.leave(log)
			})
		})
	}
	e, err := f.openInside(k, p, o)
	if err != nil {
		s.shut()
		return nil, err
	}
	s.inside = e
	s.now.CompareAndSwap(nil, &chosen{e})
	return s, nil
}

func (s *switching) Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	s.using.Add(1)
	now := s.now.Load()
	if now.Executor != s.inside {
		s.using.Add(-1)
		return now.Execute(w, r, t)
	}
	defer s.using.Add(-1)
	return now.Execute(w, r, t)
}

func (s *switching) Description() string { return s.inside.Description() }

// leaveEvery is the time between two looks at whether requests still run in this process.
const leaveEvery = 10 * time.Millisecond

// leave has what runs in this process end when its requests have, so that it takes no part in swaps any more.
func (s *switching) leave(log *slog.Logger) {
	for s.using.Load() > 0 {
		select {
		case <-s.open.Done():
			return
		case <-time.After(leaveEvery):
		}
	}
	if err := s.inside.Close(s.open); err != nil && s.open.Err() == nil {
		log.Warn("extension that is isolated did not end cleanly in this process", "error", err)
	}
}

// Faults are those in this process.
func (s *switching) Faults() int64 { return faultsIn(s.inside) }

// Close ends what runs in this process, and gives back the workers if there are any.
func (s *switching) Close(ctx context.Context) error {
	s.once.Do(func() {})
	s.shut()
	s.moving.Wait()
	err := s.inside.Close(ctx)
	if errors.Is(err, executor.ErrClosed) {
		err = nil // it left before
	}
	if e := s.now.Load().Executor; e != s.inside {
		err = errors.Join(err, e.Close(ctx))
	}
	return err
}
