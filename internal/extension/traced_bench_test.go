//go:build unix && cgo

package extension_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/trace"
)

// away throws away what it gets.
type away struct{}

func (away) Batch(uint32, []byte, int, int) {}

// cpuTime is that of the process, in nanoseconds: on a machine that has other things to do it tells more than time.
func cpuTime(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkListened asks: what does a request cost when nobody listens to its calls, when somebody does who wants others, and when all of
// them are taken down?
func BenchmarkListened(b *testing.B) {
	for _, c := range []struct {
		name   string
		listen bool
		filter trace.Filter
	}{
		{"nobody", false, trace.Filter{}},
		{"other image", true, trace.Filter{Image: "other.so"}},
		{"other url", true, trace.Filter{URL: "/nowhere/*"}},
		{"other client", true, trace.Filter{Client: "10.0.0.0/8"}},
		{"other call", true, trace.Filter{Calls: []string{"HSE_REQ_SEND_URL"}}},
		{"errors", true, trace.Filter{Errors: true}},
		{"everything", true, trace.Filter{}},
		{"everything and bodies", true, trace.Filter{Body: 1024}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var tap trace.Tap
			e, err := extension.Open(testext.Fixture(b, "hello"), executor.Options{Logger: slog.New(slog.DiscardHandler), Tap: &tap})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = e.Close(context.Background()) }()
			if c.listen {
				if err := tap.Set([]trace.Subscription{{ID: 1, Filter: c.filter}}, away{}); err != nil {
					b.Fatal(err)
				}
				defer func() { _ = tap.Set(nil, nil) }()
			}
			r := httptest.NewRequest(http.MethodGet, "/hello", nil)
			w := &discard{header: http.Header{}}
			target := executor.Target{ScriptName: "/hello", App: &executor.App{SiteID: 1, Path: "/"}, Trail: &executor.Trail{ID: 1}}
			b.ReportAllocs()
			begun := cpuTime(b)
			for b.Loop() {
				clear(w.header)
				t := target
				e.Execute(w, r, &t)
			}
			b.ReportMetric(float64(cpuTime(b)-begun)/float64(b.N), "cpu-ns/op")
		})
	}
}
