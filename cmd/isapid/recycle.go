package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/pool"
)

func newRecycleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recycle POOL",
		Short: "Replace the workers of a pool by new ones",
		Long: `Replace the workers of a pool of a running server by new ones. The new generation loads the images as they are now and serves
when all of it is ready; the old one finishes its requests. If the new one does not come up, the old one serves on.

A degraded pool tries at once.`,
		Example: `  isapid recycle legacy
  isapid recycle legacy --reason "new price list" -c /etc/isapid/isapid.yaml`,
		Args: usageArgs(cobra.ExactArgs(1)),
	}
	var reason string
	c := &poolCommand{control: newControl(cmd).waits(cmd), outcome: recycled, begun: "pool %q is being recycled"}
	cmd.Flags().StringVar(&reason, "reason", "", "`text` for the log and the status (default: asked by the operator)")
	c.begin = func(client *admin.Client, ctx context.Context, name string) (admin.PoolResult, error) {
		return client.Recycle(ctx, name, reason)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0], cmd.OutOrStdout()) }
	return cmd
}

// recycled is the outcome of recycling: "" as long as the new generation does not serve.
func recycled(before, now *admin.Pool, at time.Time) (string, error) {
	switch now.State {
	case pool.StateStopped, pool.StateDraining:
		return "", fmt.Errorf("pool %q is stopped: it has no workers to replace\nisapid start %s", now.Name, now.Name)
	case pool.StateEmpty:
		return fmt.Sprintf("pool %q has loaded nothing yet: there is nothing to replace", now.Name), nil
	case pool.StateIdle:
		return fmt.Sprintf("pool %q sleeps: its next request starts new workers", now.Name), nil
	case pool.StateDegraded:
		return "", fmt.Errorf("pool %q is degraded: its workers die%s", now.Name, lastDeath(now, 0))
	default:
	}
	if r := now.Rollout; r != nil && r.Failures > 0 {
		return "", fmt.Errorf("the new generation of pool %q did not come up: generation %d serves on%s%s", now.Name, now.Generation,
			nextTry(r.NextTry, at), lastDeath(now, now.Generation))
	}
	if now.State == pool.StateRunning && (now.Generation > before.Generation || !served(before)) {
		return fmt.Sprintf("pool %q: generation %d serves%s", now.Name, now.Generation, stillInside(now)), nil
	}
	return "", nil
}

// served says whether a pool had a worker that could be replaced. One that was only starting needs no other generation.
func served(p *admin.Pool) bool {
	for i := range p.Workers {
		if w := &p.Workers[i]; w.State == "ready" && w.Generation == p.Generation {
			return true
		}
	}
	return false
}

func nextTry(t *time.Time, now time.Time) string {
	if t == nil {
		return ""
	}
	return "; the next try is " + until(*t, now)
}

// lastDeath is a line about the last worker of a generation after the given one that died.
func lastDeath(p *admin.Pool, after int) string {
	for i := len(p.Deaths) - 1; i >= 0; i-- {
		d := &p.Deaths[i]
		if d.Expected || d.Generation <= after {
			continue
		}
		return "\n" + strings.Join(deathLines(p.Name, d, d.At), "\n")
	}
	return "\nsee \"isapid status\""
}

// stillInside is about the requests of the old workers.
func stillInside(p *admin.Pool) string {
	var requests int64
	for i := range p.Workers {
		if w := &p.Workers[i]; w.State == "retiring" {
			requests += w.InFlight
		}
	}
	if requests == 0 {
		return ""
	}
	return fmt.Sprintf("; the old one still has %s", plural(requests, "request"))
}
