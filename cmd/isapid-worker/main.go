// Isapid-worker is the worker process as a program of its own, and nothing else. The front starts it where a worker is of another kind than
// the front itself: a Windows program that runs by Wine, or a 32-bit one on 64-bit Windows.
package main

import (
	"fmt"
	"os"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/wire"
	"github.com/isapid/isapid/internal/worker"
)

// exitUsage is the exit code of a command that was called wrongly.
const exitUsage = 2

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 2 && args[0] == "worker":
		os.Exit(worker.Main())
	case len(args) == 1 && args[0] == "--version":
		fmt.Printf("%s worker, protocol %d\n", executor.Software, wire.Version)
	default:
		fmt.Fprintln(os.Stderr, "isapid-worker is started by isapid for libraries that it cannot load itself. There is nothing to do with it by hand, but for --version.")
		os.Exit(exitUsage)
	}
}
