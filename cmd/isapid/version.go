package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    `Print the version of isapid, of the Go compiler that built it, the system and how it was built.`,
		Example: "  isapid version --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			printVersion(cmd.OutOrStdout(), buildVersion(), asJSON)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type version struct {
	Version string            `json:"version"`
	Go      string            `json:"go"`
	System  string            `json:"system"`
	Build   map[string]string `json:"build"` // the settings of the go command: vcs.revision, CGO_ENABLED, -race …
}

// release and revision are set by the linker in what is given to users: the go command knows neither of a build that can be repeated.
var release, revision string

func buildVersion() version {
	v := version{Version: "unknown", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Build: map[string]string{}}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = info.Main.Version
		for _, s := range info.Settings {
			v.Build[s.Key] = s.Value
		}
	}
	if release != "" {
		v.Version = release
	}
	if revision != "" {
		v.Build["vcs.revision"] = revision
	}
	return v
}

func printVersion(out io.Writer, v version, asJSON bool) {
	if asJSON {
		printJSON(out, v)
		return
	}
	fmt.Fprintf(out, "isapid %s, %s, %s\n", v.Version, v.Go, v.System)
	if revision := v.Build["vcs.revision"]; revision != "" {
		fmt.Fprint(out, "revision ", revision)
		if when := v.Build["vcs.time"]; when != "" {
			fmt.Fprint(out, " of ", when)
		}
		fmt.Fprintln(out)
	}
}
