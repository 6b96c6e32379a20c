package spans

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// collector is an OTLP collector that checks what it gets against the messages of the specification.
type collector struct {
	*httptest.Server
	answer func(n int) (status int, header, body string) // to the nth request, from 0

	mu       sync.Mutex
	requests int
	spans    []otlpSpan
	resource map[string]string
	headers  http.Header
	got      chan struct{} // has an element when something came
}

// The messages of OTLP 1.x, by the specification's mapping of protobuf to JSON.
type (
	otlpRequest struct {
		ResourceSpans []struct {
			Resource struct {
				Attributes             []otlpAttribute `json:"attributes"`
				DroppedAttributesCount uint32          `json:"droppedAttributesCount"`
			} `json:"resource"`
			ScopeSpans []struct {
				Scope struct {
					Name       string          `json:"name"`
					Version    string          `json:"version"`
					Attributes []otlpAttribute `json:"attributes"`
				} `json:"scope"`
				Spans     []otlpSpan `json:"spans"`
				SchemaURL string     `json:"schemaUrl"`
			} `json:"scopeSpans"`
			SchemaURL string `json:"schemaUrl"`
		} `json:"resourceSpans"`
	}
	otlpSpan struct {
		TraceID                string          `json:"traceId"`
		SpanID                 string          `json:"spanId"`
		TraceState             string          `json:"traceState"`
		ParentSpanID           string          `json:"parentSpanId"`
		Flags                  uint32          `json:"flags"`
		Name                   string          `json:"name"`
		Kind                   int32           `json:"kind"`
		StartTimeUnixNano      string          `json:"startTimeUnixNano"`
		EndTimeUnixNano        string          `json:"endTimeUnixNano"`
		Attributes             []otlpAttribute `json:"attributes"`
		DroppedAttributesCount uint32          `json:"droppedAttributesCount"`
		Status                 struct {
			Message string `json:"message"`
			Code    int32  `json:"code"`
		} `json:"status"`

		attributes map[string]string
	}
	otlpAttribute struct {
		Key   string `json:"key"`
		Value struct {
			StringValue *string `json:"stringValue"`
			IntValue    *string `json:"intValue"`
		} `json:"value"`
	}
)

func newCollector(t *testing.T, answer func(int) (int, string, string)) *collector {
	t.Helper()
	c := &collector{answer: answer, got: make(chan struct{}, 100)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		c.mu.Lock()
		status, header, text := http.StatusOK, "", "{}"
		if c.answer != nil {
			status, header, text = c.answer(c.requests)
		}
		c.requests++
		c.headers = r.Header.Clone()
		if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s, %s", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		if status == http.StatusOK {
			c.take(t, body)
		}
		c.mu.Unlock()
		if header != "" {
			w.Header().Set("Retry-After", header)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		select {
		case c.got <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(c.Close)
	return c
}

var (
	hex16   = regexp.MustCompile(`^[0-9a-f]{16}$`)
	hex32   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	integer = regexp.MustCompile(`^-?[0-9]+$`)
)

// take checks a body and keeps the spans.
func (c *collector) take(t *testing.T, body []byte) {
	var m otlpRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		t.Errorf("%v in %s", err, body)
		return
	}
	values := func(list []otlpAttribute) map[string]string {
		m := map[string]string{}
		for _, a := range list {
			_, twice := m[a.Key]
			switch {
			case a.Key == "" || twice || (a.Value.StringValue == nil) == (a.Value.IntValue == nil):
				t.Errorf("attribute %+v", a)
			case a.Value.StringValue != nil:
				m[a.Key] = *a.Value.StringValue
			default:
				if !integer.MatchString(*a.Value.IntValue) {
					t.Errorf("%s is %q", a.Key, *a.Value.IntValue)
				}
				m[a.Key] = *a.Value.IntValue
			}
		}
		return m
	}
	for _, rs := range m.ResourceSpans {
		c.resource = values(rs.Resource.Attributes)
		for _, ss := range rs.ScopeSpans {
			if ss.Scope.Name != "isapid" || len(ss.Spans) == 0 {
				t.Errorf("scope %+v with %d spans", ss.Scope, len(ss.Spans))
			}
			for _, s := range ss.Spans {
				start, err1 := strconv.ParseUint(s.StartTimeUnixNano, 10, 64)
				end, err2 := strconv.ParseUint(s.EndTimeUnixNano, 10, 64)
				if !hex32.MatchString(s.TraceID) || !hex16.MatchString(s.SpanID) || s.ParentSpanID != "" && !hex16.MatchString(s.ParentSpanID) ||
					s.Name == "" || s.Kind < 1 || s.Kind > 5 || s.Status.Code < 0 || s.Status.Code > 2 || errors.Join(err1, err2) != nil || end < start || start == 0 {
					t.Errorf("span %+v", s)
				}
				s.attributes = values(s.Attributes)
				c.spans = append(c.spans, s)
			}
		}
	}
}

// named are the spans of a name.
func (c *collector) named(name string) (list []otlpSpan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			list = append(list, s)
		}
	}
	return list
}
