// Package spans makes OpenTelemetry spans of requests and sends them to a collector (OTLP over HTTP, as JSON). A request never waits for it:
// what cannot be sent is dropped, and counted.
package spans

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/isapid/isapid/internal/executor"
)

// Settings say where spans go, and of which requests there are some.
type Settings struct {
	Collector        string            // URL, without "/v1/traces"
	Headers          map[string]string // of requests to it
	Sample           float64           // share of the requests whose client has not decided, from 0 to 1
	Service, Version string
	Log              *slog.Logger

	Queue int           // spans that wait to be sent; default 4096
	Batch int           // spans in a request; default 512
	Every time.Duration // the longest a span waits for others; default 2 s
	Again time.Duration // before the first repetition of what failed, twice as long before the next; default 1 s
}

// Tracer makes spans. A nil *Tracer makes none, and passes on what clients sent.
type Tracer struct {
	tracer trace.Tracer
	pipe   *pipe
	sample float64
}

// New begins to send. The caller must call Close.
func New(s Settings) *Tracer {
	p := newPipe(s)
	about := resource.NewSchemaless(attribute.String("service.name", s.Service), attribute.String("service.version", s.Version))
	provider := sdk.NewTracerProvider(
		sdk.WithSampler(sdk.AlwaysSample()), sdk.WithResource(about), sdk.WithSpanProcessor(p)) // who is sampled is known before
	return &Tracer{provider.Tracer("isapid", trace.WithInstrumentationVersion(s.Version)), p, s.Sample}
}

// Close sends what waits and ends, at the latest when ctx does. Spans that end later are dropped. The error says how many were lost.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.pipe.close(ctx)
}

// Stats is what became of spans.
type Stats struct {
	Sent    int64
	Dropped int64 // because too many waited, or at the end
	Refused int64 // by the collector, or it was not there for too long
}

// Stats may be asked at any time.
func (t *Tracer) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	return t.pipe.stats()
}

// Span is that of a request. A nil *Span is none.
type Span struct {
	span   trace.Span
	tracer *Tracer
	ctx    context.Context
	trail  *executor.Trail
}

// Begin has the trail of a request tell its trace context, and begins its span. It is nil if there is to be none.
func (t *Tracer) Begin(r *http.Request, trail *executor.Trail) *Span {
	c := Context(r.Header)
	if t == nil || c.Valid() && !c.Sampled {
		trail.Trace = c
		return nil
	}
	ctx := context.Background()
	if c.Valid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, remote(c))
	} else if rand.Float64() >= t.sample {
		trail.Trace = unsampled()
		return nil
	}
	ctx, span := t.tracer.Start(ctx, method(r), trace.WithTimestamp(trail.Began), trace.WithSpanKind(trace.SpanKindServer))
	of := span.SpanContext()
	trail.Trace = executor.TraceContext{TraceID: of.TraceID(), SpanID: of.SpanID(), Sampled: of.IsSampled(), State: c.State}
	trail.Steps = &executor.Steps{}
	return &Span{span, t, ctx, trail}
}

// unsampled is the context of a request that has no span: whom it asks should have none either.
func unsampled() (c executor.TraceContext) {
	binary.NativeEndian.PutUint64(c.TraceID[:], rand.Uint64())
	binary.NativeEndian.PutUint64(c.TraceID[8:], rand.Uint64()|1) // not all zero
	binary.NativeEndian.PutUint64(c.SpanID[:], rand.Uint64()|1)
	return c
}

// remote is what a client that samples sent, in the words of OpenTelemetry.
func remote(c executor.TraceContext) trace.SpanContext {
	conf := trace.SpanContextConfig{TraceID: c.TraceID, SpanID: c.SpanID, Remote: true, TraceFlags: trace.FlagsSampled}
	if state, err := trace.ParseTraceState(c.State); err == nil {
		conf.TraceState = state
	}
	return trace.NewSpanContext(conf)
}

// Facts are what a span tells of a request that has ended.
type Facts struct {
	Request     *http.Request
	ID          string // of the request, as logs have it
	Site        string
	Application string // path
	Handler     string // pattern; "": a file
	Image       string // "": likewise
	Status      int    // as sent; 0: nothing could be sent
	Sent        int64  // bytes of the response
	Broken      bool   // the response had begun and could not be completed
	Fault       error  // that was contained; nil: none
	Ended       time.Time
}

// End ends the span and those of the steps of the request.
func (s *Span) End(f *Facts) {
	if s == nil {
		return
	}
	r := f.Request
	if f.Handler != "" {
		s.span.SetName(method(r) + " " + f.Handler)
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	attrs := []attribute.KeyValue{
		attribute.String("http.request.method", method(r)), attribute.String("url.scheme", scheme), attribute.String("url.path", clip(r.URL.Path)),
		attribute.String("server.address", clip(host(r.Host))), attribute.String("client.address", host(r.RemoteAddr)), attribute.String("isapid.request", f.ID),
		attribute.Int64("http.response.body.size", f.Sent),
	}
	if f.Status != 0 {
		attrs = append(attrs, attribute.Int("http.response.status_code", f.Status))
	}
	for _, a := range []struct{ key, value string }{
		{"http.route", f.Handler}, {"isapid.site", f.Site}, {"isapid.application", f.Application}, {"isapid.image", f.Image},
		{"user_agent.original", r.UserAgent()},
	} {
		if a.value != "" {
			attrs = append(attrs, attribute.String(a.key, clip(a.value)))
		}
	}
	s.span.SetAttributes(attrs...)
	switch {
	case f.Fault != nil:
		s.span.SetStatus(codes.Error, clip(f.Fault.Error()))
	case f.Broken:
		s.span.SetStatus(codes.Error, "the response could not be completed")
	case f.Status >= 500:
		s.span.SetStatus(codes.Error, "")
	}
	s.steps(f)
	s.span.End(trace.WithTimestamp(f.Ended))
}

// method is that of a request if it is a common one: names of spans are few.
func method(r *http.Request) string {
	switch r.Method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT":
		return r.Method
	}
	return "_OTHER"
}

// host is an address without its port.
func host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}
