package wine

import (
	"os"
	"testing"

	wines "github.com/isapid/isapid/internal/wine"
	"github.com/isapid/isapid/internal/worker"
)

// TestMain makes this program a worker when a front starts it as one, for libraries of Linux.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main())
	}
	if len(os.Args) > 1 && os.Args[1] == wines.KeepCommand {
		os.Exit(wines.Keep(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // or the race detector has each worker wait for a second at its end
	os.Exit(m.Run())
}
