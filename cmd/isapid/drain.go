package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
)

func newDrainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "End a running server when its requests are answered",
		Long: `End a running server as SIGTERM does: it stops listening, waits up to 90 s for running requests, calls TerminateExtension and
ends. The command waits for that; Ctrl-C ends only the waiting.`,
		Example: "  isapid drain",
		Args:    usageArgs(cobra.NoArgs),
	}
	c := newControl(cmd)
	cmd.Flags().BoolVar(&c.noWait, "no-wait", false, "return as soon as the server has begun")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return runDrain(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func runDrain(ctx context.Context, c *control, out, errOut io.Writer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	result, err := client.Drain(ctx)
	if err != nil {
		return err
	}
	if c.noWait {
		fmt.Fprintf(out, "the server (pid %d) is ending: it waits for %s\n", s.Pid, plural(result.Running, "running request"))
		return nil
	}
	if result.Running > 0 {
		fmt.Fprintf(errOut, "isapid: the server waits for %s\n", plural(result.Running, "running request"))
	}
	if err := gone(ctx, client, s.Pid, c.poll); err != nil {
		return err
	}
	fmt.Fprintf(out, "the server (pid %d) has ended\n", s.Pid)
	return nil
}

// gone returns when the server with this process id does not answer any more, or another does in its place.
func gone(ctx context.Context, client *admin.Client, pid int, poll time.Duration) error {
	for ; ; time.Sleep(poll) {
		s, err := client.Status(ctx)
		if _, ended := errors.AsType[*admin.NoServerError](err); ended || err == nil && s.Pid != pid {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
