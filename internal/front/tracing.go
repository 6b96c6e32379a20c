package front

import (
	"context"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/metrics"
	"github.com/isapid/isapid/internal/spans"
	"github.com/isapid/isapid/internal/trace"
)

// tracing is a [Watcher] that finds the trace context of each request, and makes spans if the configuration says where to send them.
type tracing struct {
	tracer atomic.Pointer[spans.Tracer] // nil: no spans are made
	conf   config.Tracing               // that it was made for
}

// lastSpans is how long the end of the server, or of a setting, may take for spans that have not been sent.
const lastSpans = 5 * time.Second

// openTracing has spans made and sent as a configuration says, from now on.
func (f *Front) openTracing(cfg *config.Config) {
	t := &f.tracing
	if reflect.DeepEqual(cfg.Tracing, t.conf) {
		return
	}
	t.conf = cfg.Tracing
	var next *spans.Tracer
	if c := &t.conf; c.OTLP != "" {
		_, version, _ := strings.Cut(executor.Software, "/")
		next = spans.New(spans.Settings{
			Collector: c.OTLP, Headers: c.Headers, Sample: c.Sample, Service: c.ServiceName, Version: version, Log: f.logger("tracing"),
		})
	}
	if old := t.tracer.Swap(next); old != nil {
		f.cleaning.Go(func() { f.endTracer(old) })
	}
}

// closeTracing sends what waits.
func (f *Front) closeTracing() {
	if t := f.tracing.tracer.Swap(nil); t != nil {
		f.endTracer(t)
	}
}

func (f *Front) endTracer(t *spans.Tracer) {
	ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		f.logger("tracing").Warn("spans are lost", "error", err)
	}
}

// stats is what became of spans.
func (t *tracing) stats() metrics.Spans {
	s := t.tracer.Load().Stats()
	return metrics.Spans{Sent: s.Sent, Dropped: s.Dropped, Refused: s.Refused}
}

// Begin implements [Watcher].
func (t *tracing) Begin(s *Seen) { s.span = t.tracer.Load().Begin(s.Request, &s.Trail) }

// End implements [Watcher].
func (t *tracing) End(s *Seen) {
	if s.span == nil {
		return
	}
	rec := &s.Record
	f := spans.Facts{
		Request: s.Request, ID: trace.FormatID(s.Trail.ID), Site: rec.Site, Application: rec.Application, Handler: rec.Handler, Image: rec.Image,
		Status: s.Status, Sent: s.Body, Broken: !s.Complete, Ended: s.Trail.Began.Add(s.Took),
	}
	if rec.Result != nil {
		f.Fault = rec.Result.Fault
	}
	s.span.End(&f)
	s.span = nil
}
