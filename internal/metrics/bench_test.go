package metrics

import (
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
