package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/swap"
)

func newRollbackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollback IMAGE",
		Short: "Put back an earlier version of an image of a running server",
		Long: `Replace an image of a running server by an earlier version that is kept beside it, as "isapid deploy" does with a file: the one
before the present one, or the one --to names. IMAGE is its path, the name of its file, that without the extension, or SITE/APP.`,
		Example: `  isapid rollback proposal
  isapid rollback shop/orders --to 2
  isapid rollback proposal.so --to 9b1c0d2e --wait`,
		Args: usageArgs(cobra.ExactArgs(1)),
	}
	var to string
	c := newSwapCommand(cmd)
	cmd.Flags().StringVar(&to, "to", "", "`version`: the number of a backup, 1 is the newest; or at least 4 digits its hash begins with (default: 1)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, _, err := admin.ParseVersion(to); err != nil {
			return usageError{err}
		}
		return c.run(cmd.Context(), args[0], func(ctx context.Context, client *admin.Client, image string, step func(swap.Step)) (swap.Receipt, error) {
			return client.Rollback(ctx, image, to, c.wait, step)
		})
	}
	return cmd
}
