package pool

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"github.com/isapid/isapid/internal/remote"
)

// pingAgain is how long is waited after a ping that failed at once, before the next in the same check.
const pingAgain = time.Second

// sampleEvery is the time between two looks at the memory of a worker.
const sampleEvery = 5 * time.Second

// ping checks a worker: a thread of each image must answer. Being busy is no failure, only taking too long is.
func (p *Pool) ping(sl *slot) {
	set := p.policy.Load()
	ctx, cancel := context.WithTimeout(sl.alive, set.PingTimeout)
	defer cancel()
	p.mu.Lock()
	images := maps.Clone(sl.images)
	p.mu.Unlock()
	answers := make(chan error, len(images))
	for path, i := range images {
		go func() { answers <- pingOne(ctx, path, i, set.PingTimeout) }()
	}
	var failure error
	for range images {
		if err := <-answers; err != nil {
			failure = err
		}
	}
	if failure != nil && sl.Closed() {
		return // it retires or is gone: whoever ends it has a limit of his own
	}
	p.event(func(s *state, now time.Time) { s.checked(sl.id, failure, now) })
}

// pingOne pings an image until it answers or ctx ends.
func pingOne(ctx context.Context, path string, i image, limit time.Duration) error {
	for {
		err := i.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no thread of %s answered a ping within %v", filepath.Base(path), limit)
		case <-time.After(pingAgain):
		}
	}
}

// sample reads the memory of a worker.
func (p *Pool) sample(sl *slot) {
	m, err := sl.process.Memory()
	if err != nil && !sl.Closed() {
		p.log.Warn("memory of a worker cannot be read", "worker", sl.name, "error", err)
	}
	p.event(func(s *state, now time.Time) { s.sampled(sl.id, int64(m.Resident), int64(m.Private), now) })
}

// notice is called with what a worker reports unasked.
func (p *Pool) notice(sl *slot, e remote.Event) {
	image := filepath.Base(e.Image)
	switch e.Kind {
	case remote.Ended:
		p.homes.ended(e.Connection, sl)
	case remote.Faulted:
		p.faulted(sl, e.Image, e.Reason)
		p.buryFault(sl, e)
	case remote.Unhealthy:
		p.log.Warn("worker reports itself unhealthy", "worker", sl.name, "image", image, "reason", e.Reason)
		p.event(func(s *state, _ time.Time) { s.unhealthy(sl.id, fmt.Sprintf("%s is unhealthy: %s", image, e.Reason)) })
	case remote.Hung:
		sl.Close()
		p.event(func(s *state, _ time.Time) { s.overdue(sl.id, "request took too long: "+e.Reason) })
	}
}

// faulted has a worker take no more requests after a fault. It is told of each fault twice, by the worker and by the request that
// had it, so that whatever comes after that request's answer goes to another worker.
func (p *Pool) faulted(sl *slot, image, reason string) {
	p.event(func(s *state, now time.Time) {
		news := s.fault(sl.id, image, fmt.Sprintf("%s%s: %s", FaultReason, filepath.Base(image), reason), now, roll())
		if news {
			p.counter(sl.gen, image).Crashed()
		}
		if news && !s.set.FaultedServes {
			sl.Close()
		}
	})
}

// checked: the end of a ping. A nil err is an answer.
func (s *state) checked(id int, err error, now time.Time) {
	w := s.worker(id)
	if w == nil {
		return
	}
	w.pinging, w.pingAt = false, now.Add(s.set.Ping)
	if err == nil {
		w.pinged = now
	} else {
		w.sick = err.Error()
	}
}

// sampled: the memory of a worker was read.
func (s *state) sampled(id int, resident, private int64, now time.Time) {
	w := s.worker(id)
	if w == nil {
		return
	}
	w.sampling, w.sampleAt = false, now.Add(sampleEvery)
	if resident > 0 {
		w.resident, w.private = resident, private
		w.trend.add(now, private)
	}
}

// unhealthy: an extension asked for its end.
func (s *state) unhealthy(id int, reason string) {
	if w := s.worker(id); w != nil && w.gen == s.gen.number && w.phase == ready && s.asked == "" {
		s.asked = reason
	}
}

// overdue: a request was in a worker for too long. Its client was answered.
func (s *state) overdue(id int, reason string) {
	if w := s.worker(id); w != nil && w.hung == "" {
		w.hung = reason
	}
}
