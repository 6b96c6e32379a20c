package filters

import (
	"os"
	"testing"

	"github.com/isapid/isapid/internal/worker"
)

// TestMain makes this program a worker when a front starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main())
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // or the race detector has each worker wait for a second at its end
	code := m.Run()
	endWine()
	os.Exit(code)
}
