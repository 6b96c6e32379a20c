package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"
)

func newStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what a running server does",
		Long: `Say what a running server does: its pools, their workers, images and last deaths; and in the end what is wrong, with what to do
about it.`,
		Example: `  isapid status
  isapid status -c /etc/isapid/isapid.yaml --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	c := newControl(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return runStatus(cmd.Context(), c, asJSON, cmd.OutOrStdout())
	}
	return cmd
}

func runStatus(ctx context.Context, c *control, asJSON bool, out io.Writer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		printJSON(out, s)
		return nil
	}
	now := time.Now()
	printStatus(out, &s, now)
	printFindings(out, findings(&s, now))
	return nil
}
