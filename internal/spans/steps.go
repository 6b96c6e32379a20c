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
	name     string
	from, to time.Time
	place    *executor.Place
	failed   string // what became of it, if it did not end well
}

// shortWait is what is not worth a span: most requests do not wait.
const shortWait = 100 * time.Microsecond

// steps makes spans of the stages that a request went through: held, queued, filters, and extension for each time that it was given to one.
// A try that is followed by another one, or by a wait for it, was lost.
func (s *Span) steps(f *Facts) {
	list := parts(s.trail.Steps.List(), f.Ended)
	for i := len(list) - 1; i >= 0 && f.Fault != nil; i-- {
		if list[i].name == inExtension {
			list[i].failed = f.Fault.Error()
			break
		}
	}
	for _, p := range list {
		if p.name != inQueue || p.to.Sub(p.from) >= shortWait {
			s.part(p)
		}
	}
}

// inExtension is the name of the span of an extension, inQueue that of a wait for a worker or thread, and held of one for a version.
const (
	inExtension = "extension"
	inQueue     = "queued"
	held        = "held"
)

// parts are the spans of steps until the end.
func parts(steps []executor.Step, ended time.Time) (list []part) {
	var place *executor.Place // where the next one runs
	open := func() *part {
		if n := len(list); n > 0 && list[n-1].to.IsZero() {
			return &list[n-1]
		}
		return nil
	}
	end := func(at time.Time) {
		if p := open(); p != nil {
			p.to = at
		}
	}
	begin := func(name string, at time.Time) {
		end(at)
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].name == inExtension {
				list[i].failed = "lost: the request was given to another"
				break
			}
		}
		list = append(list, part{name: name, from: at, place: place})
		place = nil
	}
	for _, step := range steps {
		now := open()
		switch name := stageName(step.Stage); {
		case step.Place != nil && now != nil && now.name == inExtension:
			now.place = step.Place
		case step.Place != nil:
			place = step.Place
		case name == "":
			end(step.At)
		case name == held && now != nil && now.name == inQueue:
			now.name = name // that is what it waits for
		default:
			begin(name, step.At)
		}
	}
	end(ended)
	return list
}

// stageName is the name of the span of a stage; "": it has none.
func stageName(s executor.Stage) string {
	switch s {
	case executor.StageHeld:
		return held
	case executor.StageQueued:
		return inQueue
	case executor.StageFilters:
		return "filters"
	case executor.StageRunning:
		return inExtension
	case executor.StageReceived, executor.StageSending:
	}
	return ""
}

func (s *Span) part(p part) {
	_, span := s.tracer.tracer.Start(s.ctx, p.name, trace.WithTimestamp(p.from))
	if x := p.place; x != nil {
		span.SetAttributes(attribute.String("isapid.pool", x.Pool), attribute.String("isapid.image", clip(x.Image)), attribute.Int("isapid.generation", x.Generation))
		if x.Pid != 0 {
			span.SetAttributes(attribute.String("isapid.worker", x.Worker), attribute.Int("process.pid", x.Pid))
		}
	}
	if p.failed != "" {
		span.SetStatus(codes.Error, clip(p.failed))
	}
	span.End(trace.WithTimestamp(p.to))
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
