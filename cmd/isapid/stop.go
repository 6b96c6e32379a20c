package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/pool"
)

func newStopCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stop POOL",
		Short: "End the workers of a pool",
		Long: `Stop a pool of a running server: its workers finish their requests and end; further requests are answered 503 until the
pool is started again. The server and its other pools go on; "isapid drain" ends the server.`,
		Example: "  isapid stop legacy",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}
	c := &poolCommand{control: newControl(cmd).waits(cmd), begin: (*admin.Client).StopPool, outcome: stopped, begun: "pool %q is being stopped"}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0], cmd.OutOrStdout()) }
	return cmd
}

// stopped is the outcome of a stop: "" as long as a worker is there.
func stopped(_, now *admin.Pool, _ time.Time) (string, error) {
	switch now.State {
	case pool.StateStopped:
		return fmt.Sprintf("pool %q is stopped: its requests get 503 until \"isapid start %s\"", now.Name, now.Name), nil
	case pool.StateDraining:
		return "", nil
	default:
		return "", fmt.Errorf("pool %q was started again by somebody else", now.Name)
	}
}
