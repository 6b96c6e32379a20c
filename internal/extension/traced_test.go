//go:build unix && cgo

package extension_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/executor/executortest"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/trace/tracetest"
)

// TestConformanceListened: everything is as it is when nobody listens, and every function and code is seen.
func TestConformanceListened(t *testing.T) {
	tap, l := tracetest.New(t, trace.Filter{Body: 100})
	executortest.Run(t, func(image string, o executor.Options) (executor.Executor, error) {
		o.Tap = tap
		return extension.Open(image, o)
	})
	seen := map[string]bool{}
	for _, e := range l.Events() {
		if e.Kind != trace.Enter {
			seen[trace.Name(e.Func, e.Code)] = true
		}
	}
	t.Logf("%q", slices.Sorted(maps.Keys(seen)))
	for f := trace.DllMain; f <= trace.ServerSupportFunction; f++ {
		if name := f.String(); !strings.HasPrefix(name, "function ") && !f.Filters() && f != trace.ServerSupportFunction && !seen[name] {
			t.Errorf("%s was never seen", name)
		}
	}
}

func serve(e *extension.Extension, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.Execute(w, r, &executor.Target{ScriptName: "/app.so", App: &executor.App{}, Trail: &executor.Trail{ID: 7}})
	return w
}

func TestTracedPrint(t *testing.T) {
	tap, l := tracetest.New(t, trace.Filter{Body: 100})
	e, err := extension.Open(testext.Fixture(t, "support"), executor.Options{Logger: slog.New(slog.DiscardHandler), Tap: tap})
	if err != nil {
		t.Fatal(err)
	}
	serve(e, httptest.NewRequest("GET", "/app.so?1003/sabc&1001/s%2Fa/d100&9999/g", nil))
	_ = e.Close(context.Background())
	t.Log("\n" + strings.Join(tracetest.Lines(l.Events()), "\n"))
}
