package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/swap"
)

func newHistoryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history IMAGE",
		Short: "List how an image of a running server was replaced",
		Long: `List how an image of a running server was replaced, the last time first. IMAGE is its path, the name of its file, that without the
extension, or SITE/APP: an application with a handler that names it.`,
		Example: `  isapid history proposal
  isapid history shop/orders -n 1 --json`,
		Args: usageArgs(cobra.ExactArgs(1)),
	}
	var last uint16
	var asJSON bool
	c := newControl(cmd)
	cmd.Flags().Uint16VarP(&last, "number", "n", 20, "list so `many`; 0: all that are kept")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return runHistory(cmd.Context(), c, args[0], int(last), asJSON, cmd.OutOrStdout())
	}
	return cmd
}

func runHistory(ctx context.Context, c *control, image string, last int, asJSON bool, out io.Writer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if image, err = fullName(image); err != nil {
		return err
	}
	h, err := client.History(ctx, image, last)
	if err != nil {
		return err
	}
	if asJSON {
		printJSON(out, h)
		return nil
	}
	printHistory(out, &h)
	return nil
}

func printHistory(out io.Writer, h *admin.HistoryResult) {
	if len(h.Receipts) == 0 {
		fmt.Fprintf(out, "%s was not replaced yet\n", harmless(h.Image))
		return
	}
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "WHEN\tWHO\tOUTCOME\tFROM\tTO\tTOOK\tLOST\tREASON")
	for i := range h.Receipts {
		r := &h.Receipts[i]
		reason := "-"
		if r.Reason != "" {
			reason = harmless(r.Reason)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", moment(r.Began), harmless(r.Who), harmless(string(r.Outcome)), shortHash(r.From), shortHash(r.To),
			took(r), r.Lost, reason)
	}
	t.Flush()
}

// took is how long it was until the new version served, or was given up.
func took(r *swap.Receipt) string {
	switch {
	case r.Committed != nil:
		return lapse(r.Committed.Sub(r.Began))
	case r.Ended != nil:
		return lapse(r.Ended.Sub(r.Began))
	}
	return "-"
}
