package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/swap"
)

// swapCommand is a command that has an image replaced and looks on.
type swapCommand struct {
	*control
	wait, json bool
	out        func() io.Writer
}

func newSwapCommand(cmd *cobra.Command) *swapCommand {
	c := &swapCommand{control: newControl(cmd), out: cmd.OutOrStdout}
	cmd.Flags().BoolVar(&c.wait, "wait", false, "return when the old version has ended, after the watch window")
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON, one object a line")
	return c
}

// run begins a swap, prints its steps and its receipt, and makes an error of an outcome that is not wanted.
func (c *swapCommand) run(ctx context.Context, image string, begin func(context.Context, *admin.Client, string, func(swap.Step)) (swap.Receipt, error)) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if image, err = fullName(image); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	out, asked, begun := c.out(), time.Now(), false
	receipt, err := begin(ctx, client, image, func(s swap.Step) {
		begun = true
		if c.json {
			printJSON(out, admin.SwapLine{Step: &s})
		} else {
			fmt.Fprintf(out, "%s  %s\n", clock(s.At), harmless(s.Text))
		}
	})
	if err != nil {
		return unfinished(ctx, err, begun, image)
	}
	if c.json {
		printJSON(out, admin.SwapLine{Receipt: &receipt})
	} else {
		printReceipt(out, &receipt)
	}
	if receipt.Outcome == swap.TakenBack && receipt.Began.Before(asked) {
		return nil // a rollback has ended the trial of a version that served already
	}
	return outcomeError(&receipt)
}

// fullName makes a path that is meant from this folder, because it begins with a dot, one for the server.
func fullName(image string) (string, error) {
	first, _, _ := strings.Cut(filepath.ToSlash(image), "/")
	if first == "." || first == ".." {
		return filepath.Abs(image)
	}
	return image, nil
}

// unfinished is the error of a swap of which the end was not seen.
func unfinished(ctx context.Context, err error, begun bool, image string) error {
	look := fmt.Sprintf("see \"isapid status\" and \"isapid history %s\"", image)
	switch {
	case ctx.Err() != nil && begun:
		return leftError{errors.New("not waited for: the swap goes on\n" + look)}
	case ctx.Err() != nil:
		return leftError{errors.New("not waited for: the swap had not begun, as far as it is known here\n" + look)}
	case begun && isA[*admin.NoServerError](err):
		return fmt.Errorf("%w\nhow the swap ends is not known: %s", err, look)
	}
	return err
}

// outcomeError is nil if the new version serves.
func outcomeError(r *swap.Receipt) error {
	name := harmless(filepath.Base(r.Image))
	because := ""
	if r.Reason != "" {
		because = ": " + harmless(r.Reason)
	}
	switch r.Outcome {
	case swap.Committed:
		return nil
	case swap.Rejected:
		return rejectedError{fmt.Errorf("the new version of %s was rejected%s\n%s serves on", name, because, version12(r.From))}
	case swap.TakenBack:
		return takenBackError{fmt.Errorf("the new version of %s was taken back%s\n%s serves again", name, because, version12(r.From))}
	case swap.Running:
	}
	return fmt.Errorf("the swap of %s is %s%s\nsee \"isapid status\"", name, harmless(string(r.Outcome)), because)
}
