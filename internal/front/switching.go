package front

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
)

// switching runs an extension in this process until its first contained fault, and in workers from then on: on_fault isolate.
type switching struct {
	now     atomic.Pointer[chosen]
	inside  *extension.Extension
	isolate func() (executor.Executor, error)

	once   sync.Once
	moving sync.WaitGroup
}

// chosen is the executor that runs what comes next.
type chosen struct{ executor.Executor }

func (f *Front) openSwitching(in *setup, k key, p *config.Pool) (executor.Executor, error) {
	s := &switching{isolate: func() (executor.Executor, error) { return f.isolate(context.Background(), in, k) }}
	o := optionsFor(p, k.group.name, f.log)
	o.OnFault = executor.FaultKeep
	log := o.Logger
	o.Faulted = func(fault error) {
		s.once.Do(func() {
			s.moving.Go(func() {
				e, err := s.isolate()
				if err != nil {
					log.Error("extension stays in this process after a fault: it cannot be isolated", "image", k.image, "error", err)
					return
				}
				s.now.Store(&chosen{e})
				log.Warn("extension is isolated from now on", "image", k.image, "because", fault)
			})
		})
	}
	e, err := extension.Open(k.image, o)
	if err != nil {
		return nil, err
	}
	s.inside = e
	s.now.CompareAndSwap(nil, &chosen{e})
	return s, nil
}

func (s *switching) Execute(w http.ResponseWriter, r *http.Request, t *executor.Target) executor.Result {
	return s.now.Load().Execute(w, r, t)
}

func (s *switching) Description() string { return s.inside.Description() }

// Faults are those in this process.
func (s *switching) Faults() int64 { return s.inside.Faults() }

// Close ends what runs in this process, and gives back the workers if there are any.
func (s *switching) Close(ctx context.Context) error {
	s.once.Do(func() {})
	s.moving.Wait()
	err := s.inside.Close(ctx)
	if e := s.now.Load().Executor; e != executor.Executor(s.inside) {
		err = errors.Join(err, e.Close(ctx))
	}
	return err
}
