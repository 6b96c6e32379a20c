// Command isapid runs ISAPI extensions. The subcommands are one file each; script tests in testdata/script tell how they are used.
//
// What all commands keep to: results go to the standard output, everything else to the standard error with "isapid: " before
// it; with --json both are JSON, errors included; the exit code comes from the one switch in exit.go.
package main

import (
	"os"

	"github.com/isapid/isapid/internal/wine"
	"github.com/isapid/isapid/internal/worker"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "worker" { // how the front starts its workers; nothing for people
		os.Exit(worker.Main())
	}
	outliveReopening()
	if len(os.Args) > 1 && os.Args[1] == wine.KeepCommand { // how it has another user's Wine kept running
		os.Exit(wine.Keep(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
