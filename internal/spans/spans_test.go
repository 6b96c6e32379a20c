package spans

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testlog"
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

func tracer(t *testing.T, s Settings) (*Tracer, *testlog.Buffer) {
	t.Helper()
	l := &testlog.Buffer{}
	s.Service, s.Version, s.Log = "shop", "1.2", slog.New(slog.NewTextHandler(l, nil))
	if s.Every == 0 {
		s.Every = time.Millisecond
	}
	if s.Again == 0 {
		s.Again = time.Millisecond
	}
	tr := New(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = tr.Close(ctx) // if the test has not done it
	})
	return tr, l
}

func closed(t *testing.T, tr *Tracer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := tr.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// serve makes the span of one request that goes through do.
func serve(tr *Tracer, header http.Header, f Facts, do func(*executor.Trail)) executor.TraceContext {
	r := httptest.NewRequest("GET", "https://shop.test:8443/orders/list?secret=1", nil)
	r.Header = header
	trail := &executor.Trail{}
	trail.Reset(7, time.Now())
	s := tr.Begin(r, trail)
	if do != nil {
		do(trail)
	}
	f.Request, f.Ended = r, time.Now()
	s.End(&f)
	return trail.Trace
}

func TestSpans(t *testing.T) {
	c := newCollector(t, nil)
	tr, _ := tracer(t, Settings{Collector: c.URL, Headers: map[string]string{"Authorization": "Bearer x"}, Sample: 1})
	p1 := &executor.Place{Pool: "legacy", Worker: "legacy-1", Image: "/srv/p.so", Pid: 41, Generation: 2}
	p2 := &executor.Place{Pool: "legacy", Worker: "legacy-2", Image: "/srv/p.so", Pid: 42, Generation: 2}
	got := serve(tr, http.Header{"Traceparent": {parent}, "Tracestate": {"a=b"}, "User-Agent": {"test"}},
		Facts{ID: "REQ7", Site: "shop", Application: "/", Handler: "/orders/*", Image: "/srv/p.so", Status: 200, Sent: 5},
		func(t *executor.Trail) {
			t.At(executor.StageFilters)
			t.At(executor.StageQueued)
			t.At(executor.StageHeld)
			t.At(executor.StageRunning)
			t.In(p1)
			t.At(executor.StageSending)
			t.At(executor.StageRunning)
			t.In(p2)
			t.At(executor.StageSending)
		})
	serve(tr, http.Header{}, Facts{Status: 503, Fault: errors.New("it faulted\xff")}, nil)
	serve(tr, http.Header{}, Facts{Broken: true, Status: 200}, nil)
	closed(t, tr)
	if st := tr.Stats(); st != (Stats{Sent: int64(len(c.spans))}) || len(c.spans) != 7 {
		t.Errorf("%+v of %d spans", st, len(c.spans))
	}
	if c.resource["service.name"] != "shop" || c.resource["service.version"] != "1.2" || c.headers.Get("Authorization") != "Bearer x" {
		t.Errorf("from %v with %v", c.resource, c.headers)
	}
	whole := c.named("GET /orders/*")[0]
	if whole.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" || whole.ParentSpanID != "00f067aa0ba902b7" || whole.TraceState != "a=b" || whole.Kind != 2 ||
		whole.Flags != 0x301 || whole.Status.Code != 0 {
		t.Errorf("%+v", whole)
	}
	for k, v := range map[string]string{
		"http.request.method": "GET", "url.scheme": "https", "url.path": "/orders/list", "server.address": "shop.test", "client.address": "192.0.2.1", "http.response.status_code": "200",
		"http.route": "/orders/*", "isapid.request": "REQ7", "isapid.site": "shop", "isapid.application": "/", "isapid.image": "/srv/p.so",
		"http.response.body.size": "5", "user_agent.original": "test",
	} {
		if whole.attributes[k] != v {
			t.Errorf("%s is %q, want %q", k, whole.attributes[k], v)
		}
	}
	if strings.Contains(strings.Join(mapped(whole.attributes), " "), "secret") {
		t.Error("the query is told")
	}
	if want := "00-" + whole.TraceID + "-" + whole.SpanID + "-01"; got.Traceparent() != want || got.State != "a=b" {
		t.Errorf("the request goes on with %s, %q, not %s", got.Traceparent(), got.State, want)
	}
	for _, name := range []string{"filters", "held", "extension"} {
		for _, s := range c.named(name) {
			if s.ParentSpanID != whole.SpanID || s.TraceID != whole.TraceID || s.Kind != 1 || s.Flags != 0x101 {
				t.Errorf("%+v", s)
			}
		}
	}
	tries := c.named("extension")
	if len(tries) != 2 || tries[0].attributes["isapid.worker"] != "legacy-1" || tries[0].Status.Code != 2 ||
		tries[1].attributes["process.pid"] != "42" || tries[1].Status.Code != 0 || tries[1].attributes["isapid.generation"] != "2" {
		t.Errorf("tries: %+v", tries)
	}
	bad := c.named("GET")
	if len(bad) != 2 || bad[0].Status.Code != 2 || bad[0].Status.Message != "it faulted\uFFFD" || bad[1].Status.Code != 2 || bad[0].ParentSpanID != "" || bad[0].Flags != 0x101 {
		t.Errorf("%+v", bad)
	}
}

// TestParts: the orders of steps that there are.
func TestParts(t *testing.T) {
	p, q := &executor.Place{Worker: "p"}, &executor.Place{Worker: "q"}
	const received, held, queued, filters, running, sending = executor.StageReceived, executor.StageHeld, executor.StageQueued, executor.StageFilters,
		executor.StageRunning, executor.StageSending
	for name, c := range map[string]struct {
		steps []any // stages and places
		want  string
	}{
		"nothing":               {nil, ""},
		"a file":                {[]any{sending}, ""},
		"in a worker":           {[]any{running, p, sending}, "extension 0-2 p"},
		"in this process":       {[]any{queued, p, running, sending}, "queued 0-2, extension 2-3 p"},
		"waits for a worker":    {[]any{received, queued, running, p, sending}, "queued 1-2, extension 2-4 p"},
		"waits for a version":   {[]any{queued, held, running, p}, "held 0-2, extension 2-4 p"},
		"held, then in process": {[]any{held, queued, p, running}, "held 0-1, queued 1-3, extension 3-4 p"},
		"through filters":       {[]any{filters, queued, p, running, sending}, "filters 0-1, queued 1-3, extension 3-4 p"},
		"run again":             {[]any{running, p, sending, running, q, sending}, "extension 0-2 p lost, extension 3-5 q"},
		"waits for another":     {[]any{running, p, sending, queued, running, q}, "extension 0-2 p lost, queued 3-4, extension 4-6 q"},
		"given up":              {[]any{running, p, sending, queued}, "extension 0-2 p lost, queued 3-4"},
	} {
		var steps []executor.Step
		at := time.Unix(1000, 0)
		for i, s := range c.steps {
			step := executor.Step{At: at.Add(time.Duration(i) * time.Second)}
			switch s := s.(type) {
			case executor.Stage:
				step.Stage = s
			case *executor.Place:
				step.Place = s
			}
			steps = append(steps, step)
		}
		var got []string
		for _, x := range parts(steps, at.Add(time.Duration(len(steps))*time.Second)) {
			text := fmt.Sprintf("%s %.0f-%.0f", x.name, x.from.Sub(at).Seconds(), x.to.Sub(at).Seconds())
			if x.place != nil {
				text += " " + x.place.Worker
			}
			if x.failed != "" {
				text += " lost"
			}
			got = append(got, text)
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}

func mapped(m map[string]string) (list []string) {
	for k, v := range m {
		list = append(list, k, v)
	}
	return list
}

// TestSample: of requests without a context as many as are wanted, of others what the client wants.
func TestSample(t *testing.T) {
	c := newCollector(t, nil)
	none, _ := tracer(t, Settings{Collector: c.URL, Sample: 0})
	if got := serve(none, http.Header{}, Facts{}, nil); got.Sampled || !got.Valid() {
		t.Errorf("a request that is not sampled goes on with %+v", got)
	}
	if got := serve(none, http.Header{"Traceparent": {parent}}, Facts{}, nil); !got.Sampled {
		t.Errorf("one of a client that samples goes on with %+v", got)
	}
	closed(t, none)
	all, _ := tracer(t, Settings{Collector: c.URL, Sample: 1})
	if got := serve(all, http.Header{"Traceparent": {parent[:53] + "00"}}, Facts{}, nil); got.Sampled || got.TraceID[0] != 0x4b {
		t.Errorf("one of a client that does not sample goes on with %+v", got)
	}
	closed(t, all)
	if len(c.spans) != 1 {
		t.Errorf("%d spans", len(c.spans))
	}
	var off *Tracer
	if got := serve(off, http.Header{"Traceparent": {parent}}, Facts{}, nil); got.Traceparent() != parent {
		t.Errorf("without a tracer one goes on with %+v", got)
	}
	if off.Stats() != (Stats{}) || off.Close(context.Background()) != nil {
		t.Error("no tracer is one")
	}
}

// TestRetry: a collector that is busy gets them later; what it will never take is not sent again.
func TestRetry(t *testing.T) {
	c := newCollector(t, func(n int) (int, string, string) {
		return []int{503, 429, 502, 504, 200, 400, 200}[n], "", `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}`
	})
	tr, log := tracer(t, Settings{Collector: c.URL, Sample: 1})
	for _, requests := range []int{5, 6, 7} {
		serve(tr, http.Header{}, Facts{}, nil)
		for {
			c.mu.Lock()
			n := c.requests
			c.mu.Unlock()
			if n == requests {
				break
			}
			<-c.got
		}
	}
	_ = tr.Close(t.Context()) // the last answer may come as late as that
	if got := tr.Stats(); got != (Stats{Refused: 3}) {
		t.Errorf("%+v", got)
	}
	if text := log.String(); strings.Count(text, "spans cannot be sent") != 2 || strings.Count(text, "spans are sent again") != 2 {
		t.Errorf("logged:\n%s", text)
	}
}

// TestFull: while the collector does not answer, requests go on, and what is too much is dropped and counted. The end does not wait
// longer than it may.
func TestFull(t *testing.T) {
	hold, there := make(chan struct{}), make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case there <- struct{}{}:
		default:
		}
		<-hold
	}))
	defer s.Close()
	defer close(hold)
	tr, _ := tracer(t, Settings{Collector: s.URL, Sample: 1, Queue: 10, Batch: 1})
	serve(tr, http.Header{}, Facts{}, nil)
	<-there
	for range 100 {
		serve(tr, http.Header{}, Facts{}, nil)
	}
	if got := tr.Stats(); got != (Stats{Dropped: 90}) {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tr.Close(ctx); err == nil || !strings.Contains(err.Error(), "11 spans") {
		t.Errorf("close: %v", err)
	}
	serve(tr, http.Header{}, Facts{}, nil) // too late
	if got := tr.Stats(); got != (Stats{Dropped: 91, Refused: 11}) {
		t.Errorf("%+v", got)
	}
}

// TestGone: without a collector spans are given up after some tries, and the end comes soon.
func TestGone(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	tr, log := tracer(t, Settings{Collector: s.URL, Sample: 1, Every: time.Hour, Again: time.Millisecond})
	serve(tr, http.Header{}, Facts{}, nil)
	if err := tr.Close(t.Context()); err == nil {
		t.Error("nothing is said of a lost span")
	}
	if got := tr.Stats(); got != (Stats{Refused: 1}) || !strings.Contains(log.String(), "spans cannot be sent") {
		t.Errorf("%+v, %s", got, log)
	}
}

// TestFlush: what waits is sent at the end, in pieces that are not too large.
func TestFlush(t *testing.T) {
	c := newCollector(t, nil)
	tr, _ := tracer(t, Settings{Collector: c.URL, Sample: 1, Every: time.Hour, Batch: 30})
	for range 100 {
		serve(tr, http.Header{}, Facts{}, nil)
	}
	closed(t, tr)
	if len(c.spans) != 100 || c.requests != 4 {
		t.Errorf("%d spans in %d requests", len(c.spans), c.requests)
	}
}

// TestRedirect: headers are for the collector only.
func TestRedirect(t *testing.T) {
	c := newCollector(t, nil)
	s := httptest.NewServer(http.RedirectHandler(c.URL+"/v1/traces", http.StatusTemporaryRedirect))
	defer s.Close()
	tr, _ := tracer(t, Settings{Collector: s.URL, Sample: 1})
	serve(tr, http.Header{}, Facts{}, nil)
	if err := tr.Close(t.Context()); err == nil || c.requests != 0 {
		t.Errorf("%v, %d requests", err, c.requests)
	}
}

func TestRetryAfter(t *testing.T) {
	c := newCollector(t, func(int) (int, string, string) { return 503, "7", "" })
	e := newExporter(Settings{Collector: c.URL})
	defer e.close()
	for after, want := range map[string]time.Duration{"7": 7 * time.Second, "-1": 0, "x": 0, "99999999": time.Hour} {
		c.answer = func(int) (int, string, string) { return 503, after, "" }
		_, err := e.send(t.Context(), tracetest.SpanStubs{{Name: "x", StartTime: time.Now(), EndTime: time.Now()}}.Snapshots())
		var later *laterError
		if !errors.As(err, &later) || later.after != want {
			t.Errorf("Retry-After: %s: %v", after, err)
		}
	}
}

func TestRejected(t *testing.T) {
	for answer, want := range map[string]int{
		``: 0, `{}`: 0, `{"partialSuccess":{}}`: 0, `{"partialSuccess":{"rejectedSpans":3}}`: 3, `{"partialSuccess":{"rejectedSpans":"3"}}`: 3,
		`{"partialSuccess":{"rejectedSpans":"9999"}}`: 5, `{"partialSuccess":{"rejectedSpans":-1}}`: 0, `no`: 0,
	} {
		if got := rejected([]byte(answer), 5); got != want {
			t.Errorf("%s: %d", answer, got)
		}
	}
}

// TestAtOnce: many requests, and the end while they run.
func TestAtOnce(t *testing.T) {
	c := newCollector(t, nil)
	tr, _ := tracer(t, Settings{Collector: c.URL, Sample: 1, Batch: 20})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				serve(tr, http.Header{}, Facts{}, func(t *executor.Trail) { t.At(executor.StageRunning) })
			}
		})
	}
	<-c.got
	closed(t, tr)
	all.Wait()
	if st := tr.Stats(); st.Sent+st.Dropped != 3200 || st.Refused != 0 || int(st.Sent) != len(c.spans) {
		t.Errorf("%+v, %d spans", st, len(c.spans))
	}
}

func BenchmarkNotSampled(b *testing.B) {
	tr := New(Settings{Collector: "http://127.0.0.1:1", Sample: 0, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	defer func() { _ = tr.Close(context.Background()) }()
	r := httptest.NewRequest("GET", "/", nil)
	trail := &executor.Trail{}
	b.ReportAllocs()
	for b.Loop() {
		tr.Begin(r, trail).End(nil)
	}
}

func BenchmarkNoTracer(b *testing.B) {
	var tr *Tracer
	r := httptest.NewRequest("GET", "/", nil)
	trail := &executor.Trail{}
	b.ReportAllocs()
	for b.Loop() {
		tr.Begin(r, trail).End(nil)
	}
}
