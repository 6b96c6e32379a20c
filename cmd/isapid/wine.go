package main

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/wine"
)

type wineOptions struct {
	prefix string
	arches []string
	json   bool
}

func newWineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wine",
		Short: "Make ready what Windows libraries need on another system",
		Long: `Windows libraries run in Windows worker processes under Wine. Wine keeps its registry and its C: drive in a folder, the prefix, which isapid
makes by itself when the first such library is loaded. These commands make it before, say what there is, and need no running server.`,
		Example: `  isapid wine prepare
  isapid wine status`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newWinePrepareCommand(), newWineStatusCommand())
	for _, sub := range cmd.Commands() {
		sub.Long = strings.TrimSpace(sub.Long) + "\n\n" + exitCodeHelp
	}
	return cmd
}

// flags are those of both commands.
func (o *wineOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.prefix, "prefix", "", "`folder` of the prefix (default "+wine.DefaultPrefix()+")")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

// place is the prefix that is meant.
func (o *wineOptions) place() (string, error) {
	return filepath.Abs(wine.Setup{Prefix: o.prefix}.Place())
}

func newWinePrepareCommand() *cobra.Command {
	var o wineOptions
	cmd := &cobra.Command{
		Use:   "prepare",
		Short: "Make the prefix for Windows libraries, or bring it up to date",
		Long: `prepare makes the prefix, which takes some seconds, up to 1.6 GB meanwhile and 20 MB then; or brings it up to date after an upgrade of Wine. If nothing is to be
done it does nothing. Several at a time do no harm, and one that is interrupted leaves nothing.

Use it where the first start of a library must not wait for that: in the recipe of a container image, or in an installer. It must run as the
user that isapid will run as: Wine uses no prefix of another user's.`,
		Example: `  isapid wine prepare
  isapid wine prepare --prefix /var/lib/isapid/wine --arch amd64,386`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.prepare(cmd)
		},
	}
	o.flags(cmd)
	cmd.Flags().StringSliceVar(&o.arches, "arch", []string{"amd64"}, "`processors` of the libraries: amd64, 386; amd64 is always there")
	return cmd
}

func (o *wineOptions) prepare(cmd *cobra.Command) error {
	for _, a := range o.arches {
		if !slices.Contains([]string{"amd64", "386"}, a) {
			return usageError{fmt.Errorf("--arch is %q; allowed: amd64, 386", a)}
		}
	}
	prefix, err := o.place()
	if err != nil {
		return err
	}
	w, err := wine.Find()
	if err != nil {
		return err
	}
	say := func(step string) {
		if !o.json {
			fmt.Fprintf(cmd.ErrOrStderr(), "isapid: %s\n", step)
		}
	}
	if err := w.Prepare(cmd.Context(), prefix, o.arches, say); err != nil {
		return err
	}
	state := w.State(prefix)
	if o.json {
		printJSON(cmd.OutOrStdout(), state)
		return nil
	}
	printPrefix(cmd.OutOrStdout(), state)
	return nil
}

func newWineStatusCommand() *cobra.Command {
	var o wineOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say which Wine there is, and in which state the prefix is",
		Long:  `status says which Wine is used for Windows libraries, which Windows workers there are, and in which state the prefix is. It changes nothing. "isapid doctor" says what is missing, and how to come by it.`,
		Example: `  isapid wine status
  isapid wine status --json | jq .prefix`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.status(cmd.OutOrStdout())
		},
	}
	o.flags(cmd)
	return cmd
}

// wineStatus is what is said about Wine.
type wineStatus struct {
	Wine    *wineInstalled    `json:"wine,omitempty"`
	Problem string            `json:"problem,omitempty"` // why there is none
	Workers map[string]string `json:"workers"`           // path by processor
	Prefix  wine.State        `json:"prefix"`
}

type wineInstalled struct {
	Version string   `json:"version"`
	Path    string   `json:"path"`
	Arches  []string `json:"arches"`
}

func (o *wineOptions) status(out io.Writer) error {
	prefix, err := o.place()
	if err != nil {
		return err
	}
	status := wineStatus{Workers: map[string]string{}}
	w, err := wine.Find()
	if err != nil {
		status.Problem = err.Error()
	} else {
		status.Wine = &wineInstalled{Version: w.Version, Path: w.Path}
		for _, a := range windowsArches {
			if w.Supports(a) == nil {
				status.Wine.Arches = append(status.Wine.Arches, a)
			}
		}
	}
	for _, a := range windowsArches {
		if path, err := wine.Workers(a); err == nil {
			status.Workers[a] = path
		}
	}
	status.Prefix = w.State(prefix)
	if o.json {
		printJSON(out, status)
		return nil
	}
	status.print(out)
	return nil
}

// windowsArches are the processors of Windows libraries that can be run.
var windowsArches = []string{"amd64", "386"}

func (s wineStatus) print(out io.Writer) {
	if s.Wine != nil {
		fmt.Fprintln(out, "wine")
		row(out, "version", s.Wine.Version)
		row(out, "program", s.Wine.Path)
		row(out, "runs", strings.Join(s.Wine.Arches, ", "))
	} else {
		fmt.Fprintf(out, "wine\n  %s.\n", s.Problem)
	}
	fmt.Fprintln(out, "workers")
	for _, a := range windowsArches {
		row(out, a, orDefault(s.Workers[a], "not found"))
	}
	printPrefix(out, s.Prefix)
}

// printPrefix says in which state a prefix is.
func printPrefix(out io.Writer, s wine.State) {
	fmt.Fprintln(out, "prefix")
	row(out, "folder", harmless(s.Prefix))
	switch {
	case !s.Made && s.Bad == "":
		row(out, "state", "not made yet; it is when a Windows library is loaded, or by isapid wine prepare")
	case s.Made && !s.Ours:
		row(out, "state", "made by somebody else; it is used as it is")
	case s.Made && s.Stale != "":
		row(out, "state", "made; the next use brings it up to date: "+s.Stale)
	case s.Made:
		row(out, "state", "made")
	}
	if s.Ours {
		row(out, "of", s.Wine)
		row(out, "for", strings.Join(s.Arches, ", "))
	}
	if s.Made {
		row(out, "size", fmt.Sprintf("%d MB", s.Size>>20))
	}
	if s.Bad != "" {
		fmt.Fprintf(out, "  It cannot be used: %s.\n  → %s\n", s.Bad, s.Help)
	}
}

// onWindows tells whether Windows libraries need nothing of Wine here.
const onWindows = runtime.GOOS == "windows"
