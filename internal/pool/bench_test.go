//go:build linux

package pool_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/testext"
)

// program builds the program, whose workers are smaller than those of this test.
func program(b *testing.B) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), "isapid")
	build := exec.Command("go", "build", "-o", file, "./cmd/isapid")
	build.Dir = testext.Root(b)
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return file
}

// BenchmarkCrashToAnswer is the time from a request that ends its worker, or faults in it, to the answer of the next one. The only
// worker of the pool is lost: the next request waits for another process.
func BenchmarkCrashToAnswer(b *testing.B) {
	exe := program(b)
	for _, how := range []string{"kill", "segv"} {
		b.Run(how, func(b *testing.B) {
			set := pool.Settings{Crashes: pool.Crashes{Max: -1}}
			set.Worker.Command = []string{exe, "worker", "bench"}
			r := start(b, set)
			r.must("pid") // or it had died before its first answer, and the next one would be started later
			var times []time.Duration
			for b.Loop() {
				begun := time.Now()
				r.do("POST", how)
				r.must("pid")
				times = append(times, time.Since(begun))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms/median")
			b.ReportMetric(float64(times[len(times)-1].Microseconds())/1000, "ms/max")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkIdleWorker is the memory of a worker that has one image and has answered one request.
func BenchmarkIdleWorker(b *testing.B) {
	var set pool.Settings
	set.Worker.Command = []string{program(b), "worker", "bench"}
	r := start(b, set)
	r.must("pid")
	var w pool.WorkerStatus
	for b.Loop() {
		w = r.until("its memory is known", func(st pool.Status) bool { return len(st.Workers) == 1 && st.Workers[0].Resident > 0 }).Workers[0]
	}
	b.ReportMetric(float64(w.Resident)/(1<<20), "MiB/resident")
	b.ReportMetric(float64(w.Private)/(1<<20), "MiB/private")
	b.ReportMetric(0, "ns/op")
}
