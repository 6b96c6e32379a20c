package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newReopenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reopen",
		Short: "Have a running server open its log files again",
		Long: `Have a running server close the files of its log and its access log and open them again by name, after another program has moved them
away. It is what SIGUSR1 does, also on systems that have no signals.`,
		Example: "  isapid reopen",
		Args:    usageArgs(cobra.NoArgs),
	}
	c := newControl(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runReopen(cmd.Context(), c, cmd.OutOrStdout()) }
	return cmd
}

func runReopen(ctx context.Context, c *control, out io.Writer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Reopen(ctx); err != nil {
		return err
	}
	fmt.Fprintln(out, "log files are opened again")
	return nil
}
