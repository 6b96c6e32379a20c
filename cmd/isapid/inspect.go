package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/wine"
)

type inspectOptions struct {
	json   bool
	noLoad bool
	child  describer // loads extensions
	find   func() (*wine.Wine, error)
}

func newInspectCommand() *cobra.Command {
	var o inspectOptions
	cmd := &cobra.Command{
		Use:   "inspect FILE…",
		Short: "Say what a file is and whether it can be loaded here",
		Long: `inspect reads libraries (ELF and PE) and says what they are: system and processor, ISAPI entry points, the libraries they
need and where those are found, and why a file cannot be loaded here, if it cannot.

An extension or filter that can be loaded is loaded and asked for its description, a filter also for the notifications it wants. That runs its code, in a process of its own with
ten seconds of time: a crash there is reported and does no harm. --no-load leaves that out. A Windows library is not asked on other systems: whether it can be
loaded by a Windows worker under Wine is told by the files alone.

It is a failure, with exit code 4, if any of the files cannot be loaded here.`,
		Example: `  isapid inspect shop.so
  isapid inspect --no-load uploaded/*.dll
  isapid inspect --json shop.so | jq '.[0].needed'`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			exe, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program, to load extensions in a process of their own: %w", err)
			}
			o.find = sync.OnceValues(wine.Find)
			o.child = describer{exe: exe, args: []string{"describe", "--"}, timeout: describeTimeout}
			return runInspect(cmd.Context(), o, files, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print a JSON array with one object for each file")
	cmd.Flags().BoolVar(&o.noLoad, "no-load", false, "do not load files to ask for their description")
	return cmd
}

// inspection is all that is told of one file.
type inspection struct {
	Path string `json:"path"`
	*image.Info
	Description   string `json:"description,omitempty"`   // the image's own
	Priority      string `json:"priority,omitempty"`      // of a filter: HIGH, MEDIUM or LOW
	Notifications string `json:"notifications,omitempty"` // of a filter: SF_NOTIFY_*, separated by |
	Loadable      bool   `json:"loadable"`
	Wine          bool   `json:"wine,omitempty"`    // in a Windows worker under Wine
	Problem       string `json:"problem,omitempty"` // why not, one sentence
}

func runInspect(ctx context.Context, o inspectOptions, files []string, out io.Writer) error {
	all := []inspection{}
	bad := 0
	for n, file := range files {
		i := inspectFile(ctx, o, file)
		if !i.Loadable {
			bad++
		}
		all = append(all, i)
		if !o.json {
			if n > 0 {
				fmt.Fprintln(out)
			}
			i.print(out)
		}
	}
	if o.json {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(all); err != nil {
			return err
		}
	}
	if bad > 0 {
		return imageError{fmt.Errorf("%d of %s cannot be loaded here", bad, plural(int64(len(files)), "file"))}
	}
	return nil
}

func inspectFile(ctx context.Context, o inspectOptions, file string) inspection {
	r := inspection{Path: file}
	info, err := image.Inspect(file)
	if err != nil {
		r.Problem = err.Error()
		return r
	}
	r.Info = info
	if err := (wine.Setup{}).Loadable(info, o.find); err != nil {
		r.Problem = err.Error()
		return r
	}
	r.Wine = wine.Concerns(info)
	if !o.noLoad && !r.Wine {
		d, err := o.child.run(ctx, file)
		if err != nil {
			r.Problem = err.Error()
			return r
		}
		r.Description, r.Priority, r.Notifications = *d.Description, d.Priority, d.Notifications
	}
	r.Loadable = true
	return r
}

// describeTimeout is how long an extension may take to load and to give its description.
const describeTimeout = 10 * time.Second
