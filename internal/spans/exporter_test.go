package spans

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

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
