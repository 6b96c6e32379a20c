package spans

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// pipe takes spans that have ended to the collector: it is the [sdk.SpanProcessor] of a tracer.
type pipe struct {
	batch int
	every time.Duration
	again time.Duration
	to    *exporter
	log   *slog.Logger

	queue   chan sdk.ReadOnlySpan
	mu      sync.Mutex // guards closed, and that nothing comes into the queue after it
	closed  bool
	closing chan struct{} // closed when no more spans come
	ended   chan struct{} // closed when all are sent, or given up
	ctx     context.Context
	giveUp  context.CancelFunc

	sent, dropped, refused atomic.Int64
	failing                bool // the last batch was not taken; of the sender
}

// tries is how often a batch is sent before it is given up, and lastTries how often if the server ends meanwhile.
const (
	tries     = 6
	lastTries = 2
	longest   = 30 * time.Second // between two tries
)

func newPipe(s Settings) *pipe {
	p := &pipe{
		batch: cmp.Or(s.Batch, 512), every: cmp.Or(s.Every, 2*time.Second), again: cmp.Or(s.Again, time.Second), to: newExporter(s), log: s.Log,
		queue: make(chan sdk.ReadOnlySpan, cmp.Or(s.Queue, 4096)), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	p.ctx, p.giveUp = context.WithCancel(context.Background())
	go p.run()
	return p
}

// OnStart implements [sdk.SpanProcessor].
func (p *pipe) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements [sdk.SpanProcessor]. It does not wait.
func (p *pipe) OnEnd(s sdk.ReadOnlySpan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.dropped.Add(1)
		return
	}
	select {
	case p.queue <- s:
	default:
		p.dropped.Add(1)
	}
}

// ForceFlush implements [sdk.SpanProcessor]: nobody asks for it.
func (p *pipe) ForceFlush(context.Context) error { return nil }

// Shutdown implements [sdk.SpanProcessor].
func (p *pipe) Shutdown(ctx context.Context) error { return p.close(ctx) }

func (p *pipe) stats() Stats {
	return Stats{p.sent.Load(), p.dropped.Load(), p.refused.Load()}
}

// close takes no more spans and waits until those that are there are sent, or ctx ends.
func (p *pipe) close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.queue)
		close(p.closing)
	}
	p.mu.Unlock()
	before := p.refused.Load()
	defer context.AfterFunc(ctx, p.giveUp)()
	<-p.ended
	p.to.close()
	if n := p.refused.Load() - before; n > 0 {
		return fmt.Errorf("%d spans could not be sent", n)
	}
	return nil
}

// run sends until the queue is closed and empty.
func (p *pipe) run() {
	defer close(p.ended)
	defer p.giveUp()
	for {
		s, ok := <-p.queue
		if !ok {
			return
		}
		p.send(p.fill([]sdk.ReadOnlySpan{s}))
	}
}

// fill waits for more spans, until there are enough or the first has waited long enough.
func (p *pipe) fill(list []sdk.ReadOnlySpan) []sdk.ReadOnlySpan {
	late := time.NewTimer(p.every)
	defer late.Stop()
	for len(list) < p.batch {
		select {
		case s, ok := <-p.queue:
			if !ok {
				return list
			}
			list = append(list, s)
		case <-late.C:
			return list
		}
	}
	return list
}

// send sends a batch, again and again if need be.
func (p *pipe) send(list []sdk.ReadOnlySpan) {
	wait := p.again
	for try := 1; ; try++ {
		bad, err := p.to.send(p.ctx, list)
		if err == nil {
			p.sent.Add(int64(len(list) - bad))
			p.refused.Add(int64(bad))
			p.tell(nil)
			return
		}
		p.tell(err)
		var later *laterError
		if !errors.As(err, &later) || try >= tries || p.isClosing() && try >= lastTries || !p.pause(max(wait, later.after)) {
			p.refused.Add(int64(len(list)))
			return
		}
		wait = min(2*wait, longest)
	}
}

// pause waits, with some chance in it; less if the server ends. It is false when nothing is to be tried again.
func (p *pipe) pause(d time.Duration) bool {
	d = min(d, longest)
	d += time.Duration(rand.Int64N(int64(d)/5 + 1))
	timer := time.NewTimer(d)
	defer timer.Stop()
	closing := p.closing
	for {
		select {
		case <-timer.C:
			return true
		case <-closing:
			closing = nil
			timer.Reset(min(d, p.again))
		case <-p.ctx.Done():
			return false
		}
	}
}

func (p *pipe) isClosing() bool {
	select {
	case <-p.closing:
		return true
	default:
		return false
	}
}

// tell logs when spans begin to fail, and when they no longer do.
func (p *pipe) tell(err error) {
	switch {
	case err != nil && !p.failing:
		p.log.Warn("spans cannot be sent", "collector", p.to.url, "error", err)
	case err == nil && p.failing:
		p.log.Info("spans are sent again", "collector", p.to.url, "refused", p.refused.Load(), "dropped", p.dropped.Load())
	}
	p.failing = err != nil
}
