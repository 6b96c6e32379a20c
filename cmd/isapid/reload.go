package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newReloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have a running server read its configuration again",
		Long: `Have a running server read its configuration again and change what differs, without losing a request. If the file is wrong,
nothing changes and the exit code is 3.

The server reads the file it was started with; -c only says which server is meant.`,
		Example: "  isapid check -c isapid.yaml && isapid reload -c isapid.yaml",
		Args:    usageArgs(cobra.NoArgs),
	}
	c := newControl(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runReload(cmd.Context(), c, cmd.OutOrStdout()) }
	return cmd
}

func runReload(ctx context.Context, c *control, out io.Writer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	result, err := client.Reload(ctx)
	if err != nil {
		return controlError(err)
	}
	if len(result.Changes) == 0 {
		fmt.Fprintln(out, "nothing differs")
	}
	for _, change := range result.Changes {
		fmt.Fprintf(out, "%s: %s\n", harmless(change.What), harmless(change.Effect))
	}
	return nil
}
