package metrics

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

func BenchmarkEnded(b *testing.B) {
	m := New(nil)
	place := &executor.Place{Pool: "default", Image: "/srv/www/proposal.so", Generation: 1}
	for name, p := range map[string]*executor.Place{"image": place, "file": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					m.Ended(&Facts{Site: "shop", Application: "/orders", Place: p, Runs: 1, Status: 200, Took: 300 * time.Microsecond, Received: 120, Sent: 1000})
				}
			})
		})
	}
	b.Run("one at a time", func(b *testing.B) {
		for b.Loop() {
			m.Ended(&Facts{Site: "shop", Application: "/orders", Place: place, Runs: 1, Status: 200, Took: 300 * time.Microsecond, Received: 120, Sent: 1000})
		}
	})
}

// BenchmarkScrape is what Prometheus costs, with as many series as there can be.
func BenchmarkScrape(b *testing.B) {
	m := New(nil)
	for i := range mostSeries {
		place := &executor.Place{Pool: "default", Image: fmt.Sprintf("/srv/www/%d.so", i), Generation: 1}
		m.Ended(&Facts{Site: "shop", Application: "/orders", Place: place, Runs: 1, Status: 200, Took: 300 * time.Microsecond})
	}
	h := m.Handler(Sources{Status: status})
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		b.SetBytes(int64(w.Body.Len()))
	}
}
