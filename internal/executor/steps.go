package executor

import (
	"sync"
	"time"
)

// Steps is when a request came how far: for spans, which only few requests have. A nil *Steps keeps nothing.
type Steps struct {
	mu   sync.Mutex
	list []Step
}

// Step is that a request came to a stage, or was given to a place.
type Step struct {
	At    time.Time
	Stage Stage
	Place *Place // nil: it came to a stage
}

// mostSteps bounds what is kept of a request that is tried again and again.
const mostSteps = 64

func (s *Steps) add(stage Stage, p *Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) < mostSteps {
		s.list = append(s.list, Step{time.Now(), stage, p})
	}
}

// List are the steps until now, in order.
func (s *Steps) List() []Step {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Step(nil), s.list...)
}
