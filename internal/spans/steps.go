package spans

import (
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/isapid/isapid/internal/executor"
)

// part is a span within that of a request.
type part struct {
	name  string
	from  time.Time
	place *executor.Place
}

// steps makes spans of the stages that a request went through: held, queued, filters, and extension for each time that it was given to one.
// A try that another one followed was lost.
func (s *Span) steps(ended time.Time) {
	var now part
	end := func(at time.Time, lost bool) {
		if now.name != "" {
			s.part(now, at, lost)
		}
		now = part{}
	}
	for _, step := range s.trail.Steps.List() {
		name := stageName(step.Stage)
		switch {
		case step.Place != nil && now.name == "extension" && now.place == nil, step.Place != nil && now.name == "filters" && now.place == nil:
			now.place = step.Place
		case step.Place != nil:
			end(step.At, now.name == "extension")
			now = part{"extension", step.At, step.Place}
		case name == "extension" && now.name == "extension": // it has been given to a place, which runs it
		case name == "filters" && now.name == "extension":
			now.name = name // the place has filters
		case name == "extension" && now.name == "filters":
			place := now.place
			end(step.At, false)
			now = part{name, step.At, place}
		default:
			end(step.At, now.name == "extension" && step.Stage != executor.StageSending)
			now = part{name: name, from: step.At}
		}
	}
	end(ended, false)
}

// stageName is the name of the span of a stage; "": it has none.
func stageName(s executor.Stage) string {
	switch s {
	case executor.StageHeld, executor.StageQueued, executor.StageFilters:
		return s.String()
	case executor.StageRunning:
		return "extension"
	case executor.StageReceived, executor.StageSending:
	}
	return ""
}

func (s *Span) part(p part, ended time.Time, lost bool) {
	_, span := s.tracer.tracer.Start(s.ctx, p.name, trace.WithTimestamp(p.from))
	if x := p.place; x != nil {
		span.SetAttributes(attribute.String("isapid.pool", x.Pool), attribute.String("isapid.image", clip(x.Image)), attribute.Int("isapid.generation", x.Generation))
		if x.Pid != 0 {
			span.SetAttributes(attribute.String("isapid.worker", x.Worker), attribute.Int("process.pid", x.Pid))
		}
	}
	if lost {
		span.SetStatus(codes.Error, "lost: the request was given to another")
	}
	span.End(trace.WithTimestamp(ended))
}

// clip is a text that is not longer than an attribute should be.
func clip(s string) string {
	const longest = 1024
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}
