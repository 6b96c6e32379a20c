package spans

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testlog"
)

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
