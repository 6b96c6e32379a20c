package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/testext"
)

const tracedYAML = `
control: {socket: ctl/control.sock}
crashes: {directory: crashes}
tracing: {otlp: "%s", service_name: shop, headers: {X-Key: secret}}
sites:
  - name: shop
    bindings: ["http://127.0.0.1:0"]
    root: www
    applications:
      - path: /
        handlers:
          - {path: /variables/*, extension: variables.so}
      - path: /inside
        pool: inside
        handlers:
          - {path: "*", extension: variables.so}
      - path: /frail
        pool: frail
        handlers:
          - {path: "*", extension: havoc.so}
pools:
  frail: {}
  inside: {mode: in-process}
`

// span is one as a collector gets it.
type span struct {
	TraceID, SpanID, ParentSpanID, Name, TraceState string
	Status                                          struct {
		Code    int
		Message string
	}
	Attributes []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
}

func (s *span) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.StringValue + a.Value.IntValue
		}
	}
	return ""
}

// collector keeps the spans that it is sent.
type collector struct {
	mu    sync.Mutex
	spans []span
}

// ServeHTTP implements [http.Handler].
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m struct {
		ResourceSpans []struct {
			ScopeSpans []struct{ Spans []span }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Key") != "secret" {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range m.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
	_, _ = io.WriteString(w, "{}")
}

// of are the spans of a trace: that of the request, and those in it.
func (c *collector) of(trace string) (whole *span, parts []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.spans {
		if s.TraceID == trace && (s.ParentSpanID == "" || s.ParentSpanID == clientSpan) {
			whole = &c.spans[i]
		}
	}
	for _, s := range c.spans {
		if whole != nil && s.ParentSpanID == whole.SpanID {
			parts = append(parts, s)
		}
	}
	return whole, parts
}

const clientSpan = "00f067aa0ba902b7"

// TestSpans: a trace goes through the server, from the client's context to the collector, and to the extension.
func TestSpans(t *testing.T) {
	dir := t.TempDir()
	for name, lib := range map[string]string{"variables.so": testext.Fixture(t, "variables"), "havoc.so": testext.Fixture(t, "havoc")} {
		served.Copy(t, lib, filepath.Join(dir, name))
	}
	if err := os.Mkdir(filepath.Join(dir, "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := &collector{}
	otlp := httptest.NewServer(c)
	defer otlp.Close()
	served.Write(t, filepath.Join(dir, "isapid.yaml"), fmt.Sprintf(tracedYAML, otlp.URL))
	server := start(t, dir, testext.Program(t, ""), "serve", "-c", "isapid.yaml", "--json")
	url := server.URLs()[0]

	id := func(n int) string { return fmt.Sprintf("4bf92f3577b34da6a3ce929d0e0e%04x", n) }
	said := map[int]string{}
	for n, path := range []string{"/variables/x?value=ISAPID_TRACEPARENT", "/inside/x?value=ISAPID_TRACEPARENT", "/variables/x?value=ISAPID_TRACE_ID", "/missing", "/frail?exit_group"} {
		said[n] = ask(t, url+path, "00-"+id(n)+"-"+clientSpan+"-01")
	}
	unsampled := ask(t, url+"/variables/x?value=ISAPID_TRACEPARENT", "00-"+id(99)+"-"+clientSpan+"-00")
	server.End() // it sends what waits

	for n, want := range []struct{ name, status, pool, worker string }{
		{"GET /variables/*", "200", "default", "default/1"},
		{"GET *", "200", "inside", ""},
		{"GET /variables/*", "200", "default", "default/1"},
		{"GET", "404", "", ""},
		{"GET *", "502", "frail", "frail/2"},
	} {
		whole, parts := c.of(id(n))
		if whole == nil {
			t.Errorf("request %d has no span", n)
			continue
		}
		if whole.Name != want.name || whole.attribute("http.response.status_code") != want.status || whole.TraceState != "a=b" ||
			whole.attribute("isapid.request") == "" || whole.attribute("isapid.site") != "shop" {
			t.Errorf("request %d: %+v", n, whole)
		}
		var tries []span
		for _, p := range parts {
			if p.Name == "extension" {
				tries = append(tries, p)
			}
		}
		if want.pool == "" {
			if len(tries) > 0 {
				t.Errorf("request %d: %+v", n, tries)
			}
			continue
		}
		if len(tries) == 0 || tries[len(tries)-1].attribute("isapid.worker") != want.worker || tries[0].attribute("isapid.pool") != want.pool {
			t.Errorf("request %d: %+v", n, tries)
			continue
		}
		context := "00-" + id(n) + "-" + whole.SpanID + "-01"
		switch n {
		case 0, 1:
			if said[n] != context {
				t.Errorf("the extension sees %q, not %q", said[n], context)
			}
		case 2:
			if said[n] != id(n) {
				t.Errorf("the extension sees %q, not %q", said[n], id(n))
			}
		case 4:
			if len(tries) != 2 || tries[0].Status.Code != 2 || !strings.Contains(tries[0].Status.Message, "lost") || tries[0].attribute("isapid.worker") != "frail/1" ||
				tries[1].Status.Code != 2 || whole.Status.Code != 2 {
				t.Errorf("a request that ends its workers: %+v, %+v", whole.Status, tries)
			}
		}
	}
	if whole, _ := c.of(id(99)); whole != nil {
		t.Error("a request that the client does not sample has a span")
	}
	if !strings.HasPrefix(unsampled, "00-"+id(99)) || !strings.HasSuffix(unsampled, "-00") {
		t.Errorf("the extension sees %q of a request that is not sampled", unsampled)
	}
}

// ask sends a request of a trace and returns the first line of the answer.
func ask(t *testing.T, url, traceparent string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("Tracestate", "a=b")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(first)
}
