package front

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/inprocess"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/testext"
)

// ballast makes an image of the 582 KB that the loader of 2001 was measured with.
const ballast = "-DBALLAST=560000"

var quiet = slog.New(slog.DiscardHandler)

func hashOf(b *testing.B, path string) string {
	b.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// BenchmarkFirstLoad is the time from the approved copy of an image of 582 KB to a thread of it that answers: staging, loading,
// GetExtensionVersion.
func BenchmarkFirstLoad(b *testing.B) {
	path := testext.Fixture(b, "version", "-DVERSION=1", ballast)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	v := executor.Version{File: path, SHA256: hashOf(b, path)}
	var times []time.Duration
	for b.Loop() {
		begun := time.Now()
		i, err := inprocess.Open(path, executor.Options{Version: v, Logger: quiet}, inprocess.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begun))
		b.StopTimer()
		if err := i.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(info.Size()), "bytes")
	report(b, times)
}

// BenchmarkSwap is the time from the order to deploy to the first answer of the new version, with isolated workers and in this
// process.
func BenchmarkSwap(b *testing.B) {
	for _, mode := range []config.PoolMode{config.ModeIsolated, config.ModeInProcess} {
		b.Run(string(mode), func(b *testing.B) {
			folder := b.TempDir()
			image := filepath.Join(folder, "shop.so")
			var builds []string
			for n := range 2 {
				builds = append(builds, testext.Fixture(b, "version", fmt.Sprintf("-DVERSION=%d", n+1), ballast))
			}
			first, err := os.ReadFile(builds[0])
			if err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(image, first, 0o755); err != nil {
				b.Fatal(err)
			}
			s := config.DefaultSite("test", folder)
			s.Bindings = []config.Binding{{Address: "127.0.0.1"}}
			s.Applications[0].Handlers = []config.Handler{{Path: "*", Extension: image}}
			c := config.Default()
			c.Sites = []config.Site{s}
			c.Pools[config.DefaultPoolName].Mode = mode
			c.Pools[config.DefaultPoolName].Update.Window = 0
			f, err := New(c, quiet)
			if err != nil {
				b.Fatal(err)
			}
			if err := f.Start(); err != nil {
				b.Fatal(err)
			}
			go func() { _ = f.Serve(b.Context()) }()
			defer func() {
				if err := f.Drain(b.Context()); err != nil {
					b.Error(err)
				}
			}()
			control := NewControl(f, "bench", func() {})
			var times []time.Duration
			n := 0
			for b.Loop() {
				n++
				begun := time.Now()
				r, err := control.Deploy(b.Context(), image, "bench", false, builds[n%2], func(swap.Step) {})
				if err != nil || r.Outcome != swap.Committed {
					b.Fatal(r, err)
				}
				if _, body := get(b, f.URLs()[0]); strings.TrimSpace(body) != strconv.Itoa(n%2+1) {
					b.Fatalf("answered %q after swap %d", body, n)
				}
				times = append(times, time.Since(begun))
			}
			report(b, times)
		})
	}
}

// report gives the median and the longest time, and the former in ticks of the processor's clock.
func report(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	median := times[len(times)/2]
	b.ReportMetric(float64(median.Microseconds()), "µs-median")
	b.ReportMetric(float64(times[len(times)-1].Microseconds()), "µs-longest")
	if mhz := clock(); mhz > 0 {
		b.ReportMetric(mhz*float64(median.Nanoseconds())/1000, "ticks")
	}
}

// clock is the frequency of the processor in MHz; 0 if the system does not say.
func clock() float64 {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "cpu MHz" {
			mhz, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return mhz
		}
	}
	return 0
}
