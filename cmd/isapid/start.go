package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/pool"
)

func newStartCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start POOL",
		Short: "Let a stopped pool have workers again",
		Long: `Start a pool of a running server that was stopped. "isapid serve" starts a server.

A pool that is not stopped stays as it is.`,
		Example: "  isapid start legacy",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}
	c := &poolCommand{control: newControl(cmd).waits(cmd), begin: (*admin.Client).StartPool, outcome: started, begun: "pool %q is being started"}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0], cmd.OutOrStdout()) }
	return cmd
}

// started is the outcome of a start: "" as long as there is no worker that is needed.
func started(_, now *admin.Pool, _ time.Time) (string, error) {
	switch now.State {
	case pool.StateRunning:
		return fmt.Sprintf("pool %q: generation %d serves", now.Name, now.Generation), nil
	case pool.StateEmpty:
		return fmt.Sprintf("pool %q is started: its first image will start workers", now.Name), nil
	case pool.StateIdle:
		return fmt.Sprintf("pool %q is started: its next request starts workers", now.Name), nil
	case pool.StateDegraded:
		return "", fmt.Errorf("pool %q is degraded: its workers die%s", now.Name, lastDeath(now, 0))
	case pool.StateStopped, pool.StateDraining:
		return "", fmt.Errorf("pool %q was stopped again by somebody else", now.Name)
	default:
		return "", nil
	}
}
