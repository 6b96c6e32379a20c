package spans

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The messages of OTLP as JSON, as far as we have something to say. Numbers of 64 bits are texts there, and identifiers hexadecimal.
type (
	exportRequest struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resourceMessage `json:"resource"`
		ScopeSpans []scopeSpans    `json:"scopeSpans"`
	}
	resourceMessage struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope         `json:"scope"`
		Spans []spanMessage `json:"spans"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	spanMessage struct {
		TraceID      string     `json:"traceId"`
		SpanID       string     `json:"spanId"`
		TraceState   string     `json:"traceState,omitempty"`
		ParentSpanID string     `json:"parentSpanId,omitempty"`
		Flags        uint32     `json:"flags"`
		Name         string     `json:"name"`
		Kind         int        `json:"kind"`
		Start        string     `json:"startTimeUnixNano"`
		End          string     `json:"endTimeUnixNano"`
		Attributes   []keyValue `json:"attributes,omitempty"`
		Dropped      int        `json:"droppedAttributesCount,omitempty"`
		Status       status     `json:"status"`
	}
	status struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code,omitempty"`
	}
	keyValue struct {
		Key   string   `json:"key"`
		Value anyValue `json:"value"`
	}
	anyValue struct {
		String *string `json:"stringValue,omitempty"`
		Int    string  `json:"intValue,omitempty"`
	}
)

// Of the flags of a span: whether its parent is another program's, and that we know.
const (
	knowsRemote  = 0x100
	parentRemote = 0x200
)

// export is the message for spans of one tracer.
func export(list []sdk.ReadOnlySpan) exportRequest {
	first := list[0]
	of := scopeSpans{Scope: scope{first.InstrumentationScope().Name, first.InstrumentationScope().Version}}
	for _, s := range list {
		of.Spans = append(of.Spans, message(s))
	}
	return exportRequest{[]resourceSpans{{resourceMessage{keyValues(first.Resource().Attributes())}, []scopeSpans{of}}}}
}

func message(s sdk.ReadOnlySpan) spanMessage {
	c, parent := s.SpanContext(), s.Parent()
	m := spanMessage{
		TraceID: c.TraceID().String(), SpanID: c.SpanID().String(), TraceState: c.TraceState().String(), Flags: uint32(c.TraceFlags()) | knowsRemote,
		Name: s.Name(), Kind: kind(s.SpanKind()), Start: nanoseconds(s.StartTime()), End: nanoseconds(s.EndTime()),
		Attributes: keyValues(s.Attributes()), Dropped: s.DroppedAttributes(), Status: statusOf(s.Status()),
	}
	if parent.HasSpanID() {
		m.ParentSpanID = parent.SpanID().String()
	}
	if parent.IsRemote() {
		m.Flags |= parentRemote
	}
	return m
}

// kind is that of a span in OTLP.
func kind(k trace.SpanKind) int {
	if k == trace.SpanKindServer {
		return 2
	}
	return 1 // internal
}

// statusOf is a status in OTLP, where the codes have other numbers.
func statusOf(s sdk.Status) status {
	switch s.Code {
	case codes.Ok:
		return status{Code: 1}
	case codes.Error:
		return status{s.Description, 2}
	case codes.Unset:
	}
	return status{}
}

func nanoseconds(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// keyValues are attributes in OTLP: texts and whole numbers, others as texts.
func keyValues(list []attribute.KeyValue) (kvs []keyValue) {
	for _, a := range list {
		v := anyValue{}
		if a.Value.Type() == attribute.INT64 {
			v.Int = strconv.FormatInt(a.Value.AsInt64(), 10)
		} else {
			s := a.Value.String()
			v.String = &s
		}
		kvs = append(kvs, keyValue{string(a.Key), v})
	}
	return kvs
}
