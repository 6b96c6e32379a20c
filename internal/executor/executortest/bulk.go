package executortest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

// maxGrowth is by how much moving any amount of data may enlarge the process, client included.
const maxGrowth = 32 << 20

// testBulk moves much more data than may ever be in memory, in each direction.
func testBulk(t *testing.T, s *suite) {
	size := int64(1 << 30)
	switch {
	case testing.Short() || s.windows():
		size = 64 << 20
	case raced():
		size = 256 << 20
	}
	srv := s.serve(t, "bulk", executor.Options{})
	file := filepath.Join(srv.root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, query string
		up, down    int64
	}{
		{"ReadClient", "up", size, int64(len(fmt.Sprint(size)))},
		{"WriteClient", fmt.Sprintf("down=%d", size), 0, size},
		{"WriteClient, all at once", fmt.Sprintf("once=%d", size), 0, size},
		{"TRANSMIT_FILE", "file=" + s.seen(file), 0, size},
	} {
		before := startPeak(t)
		if got := srv.bulk(tt.query, tt.up); got != tt.down {
			t.Errorf("%s: %d bytes came back, want %d", tt.name, got, tt.down)
		}
		if grown := memory(t, "VmHWM") - before; grown > maxGrowth {
			t.Errorf("%s: moving %d MiB made the process larger by %d MiB", tt.name, size>>20, grown>>20)
		}
	}
}

// bulk sends up bytes and answers how many come back.
func (s *server) bulk(query string, up int64) (down int64) {
	s.t.Helper()
	c := s.dial()
	defer c.Close()
	fmt.Fprintf(c, "POST /app.dll?%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", query, up)
	block := make([]byte, 1<<20)
	for ; up > 0; up -= int64(len(block)) {
		if _, err := c.Write(block[:min(up, int64(len(block)))]); err != nil {
			s.t.Fatal(err)
		}
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(c, len(block)), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	down, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, block)
	if err != nil || res.StatusCode != 200 {
		s.t.Errorf("%s: %s after %d bytes: %v", query, res.Status, down, err)
	}
	return down
}

// startPeak lets the peak of the process's memory start from now.
func startPeak(t *testing.T) (now int64) {
	t.Helper()
	if runtime.GOOS == "windows" {
		return 0 // nobody tells
	}
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skipf("the peak of the memory cannot be measured here: %v", err)
	}
	return memory(t, "VmRSS")
}

// memory reads a line of /proc/self/status, in bytes.
func memory(t *testing.T, name string) int64 {
	t.Helper()
	if runtime.GOOS == "windows" {
		return 0
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\n"+name+":")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// raced tells whether the race detector watches, which takes its time.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}
