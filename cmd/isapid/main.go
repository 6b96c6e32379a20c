// Command isapid runs ISAPI extensions. The subcommands are one file each; script tests in testdata/script tell how they are used.
//
// What all commands keep to: results go to the standard output, everything else to the standard error with "isapid: " before
// it; with --json both are JSON, errors included; the exit code comes from the one switch in exit.go.
package main

import "os"

func main() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
