package filters

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
)

// What a request costs through filters that do nothing, with the client that is in the same process. bench/compare -filters measures the
// server alone.
func BenchmarkFilters(b *testing.B) {
	for _, mode := range modes {
		for _, n := range []int{0, 1, 5} {
			b.Run(fmt.Sprintf("%s/%d", mode, n), func(b *testing.B) { benchmark(b, mode, n) })
		}
	}
}

func benchmark(b *testing.B, mode config.PoolMode, n int) {
	var list []fixture
	for range n {
		list = append(list, built("filter_noop"))
	}
	s := start(b, layout{
		mode: mode, app: filters(b, mode, list...), handlers: `{path: /hello/*, extension: DIR/images/hello.so}`,
		images: []string{testext.Fixture(b, "hello")},
	})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 4096)
	b.ReportAllocs()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		if _, err := io.WriteString(conn, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Read(buf); err != nil { // it comes in one piece
			b.Fatal(err)
		}
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op") // of this process
}
