package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
)

func newRequestsCommand() *cobra.Command {
	var asJSON, calls bool
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "List the requests that a running server has now",
		Long: `List the requests that a running server has now, the oldest first: how old each is, how far, whose, for what, where it runs,
and which call it is inside of for how long. The calls of an extension are told by the process that has it; it is believed.

Stages are received, held (it waits for a version of the image), queued (for a worker or a thread), filters, running (the extension
has it) and sending (the rest of the response).`,
		Example: `  isapid requests
  isapid requests --calls              also what each called last
  isapid requests --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c := newControl(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: the status of the server with in_flight")
	cmd.Flags().BoolVar(&calls, "calls", false, "show what each request called before")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return runRequests(cmd.Context(), c, asJSON, calls, cmd.OutOrStdout())
	}
	return cmd
}

func runRequests(ctx context.Context, c *control, asJSON, calls bool, out io.Writer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := client.Requests(ctx, calls)
	if err != nil {
		return err
	}
	if asJSON {
		printJSON(out, s)
		return nil
	}
	printRequests(out, s.InFlight)
	return nil
}

func printRequests(out io.Writer, list []admin.InFlight) {
	if len(list) == 0 {
		fmt.Fprintln(out, "no request is in flight")
		return
	}
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "REQUEST\tAGE\tSTAGE\tCLIENT\tWHERE\tURL\tINSIDE")
	for i := range list {
		r := &list[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s %s\t%s\n", harmless(r.ID), lapse(time.Duration(r.Age)), harmless(r.Stage), harmless(cmp.Or(r.Client, "-")),
			harmless(placeOf(r)), harmless(r.Method), harmless(r.URL), insideOf(r))
	}
	t.Flush()
	for i, line := range strings.Split(strings.TrimSpace(table.String()), "\n") {
		fmt.Fprintln(out, line)
		for n := 0; i > 0 && n < len(list[i-1].LastCalls); n++ {
			fmt.Fprintf(out, "  %s\n", lastCall(&list[i-1].LastCalls[n]))
		}
	}
}

// placeOf is where a request runs: a worker, or the pool if that is in the server itself.
func placeOf(r *admin.InFlight) string {
	switch {
	case r.Worker != "" && r.Pid != 0:
		return fmt.Sprintf("%s (%d)", r.Worker, r.Pid)
	case r.Worker != "":
		return r.Worker
	}
	return cmp.Or(r.Pool, "-")
}

// insideOf are the calls that a request is inside of, outermost first, and for how long it has been in the last of them.
func insideOf(r *admin.InFlight) string {
	if len(r.Inside) == 0 {
		return "-"
	}
	var names []string
	for _, call := range r.Inside {
		names = append(names, harmless(call.Call))
	}
	return fmt.Sprintf("%s for %s", strings.Join(names, " > "), lapse(time.Duration(r.Inside[len(names)-1].Age)))
}

func lastCall(c *admin.Inside) string {
	failed := ""
	if c.Error != 0 {
		failed = fmt.Sprintf(", error %d", c.Error)
	}
	return fmt.Sprintf("%s ago  %s%s", lapse(time.Duration(c.Age)), harmless(c.Call), failed)
}
