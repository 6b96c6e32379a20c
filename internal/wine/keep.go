package wine

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// KeepCommand is the argument that makes a program call [Keep] with those after it.
const KeepCommand = "wine-keeper"

// What a line that Keep writes begins with; a sentence comes after it.
const (
	KeepStep = "step: " // of what takes long
	KeepUp   = "up: "   // the server runs
	KeepLost = "lost: " // it does not any more, until the next KeepUp
	KeepFail = "fail: " // it cannot be kept; the end follows
)

// Keep prepares a prefix for programs of a processor, which are its arguments, and holds it until in ends, whose bytes do not matter. It is
// what a process does that root has started as another user: nobody but that user's processes touch his prefix, so that what he puts there can harm only
// him. What happens is told in lines on out. The result is an exit code. Temporary files go to a folder beside the prefix.
func Keep(args []string, in io.Reader, out io.Writer) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	tell := func(what, text string) { fmt.Fprintf(out, "%s%s\n", what, strings.ReplaceAll(text, "\n", "; ")) }
	if err := keep(ctx, args, tell); err != nil && ctx.Err() == nil {
		tell(KeepFail, err.Error())
		return 1
	}
	return 0
}

func keep(ctx context.Context, args []string, tell func(what, text string)) error {
	if len(args) != 2 {
		return fmt.Errorf("%s takes a prefix and a processor, and not %q", KeepCommand, args)
	}
	prefix, arch := args[0], args[1]
	temporary := TemporaryOf(prefix)
	if err := os.MkdirAll(temporary, 0o700); err != nil {
		return fmt.Errorf("this user cannot reach his folder for Wine: let him enter the folders above it, or %s: %w", another, err)
	}
	if err := os.Setenv("TMPDIR", temporary); err != nil {
		return err
	}
	w, err := Find()
	if err != nil {
		return err
	}
	if err := w.Prepare(ctx, prefix, []string{arch}, func(step string) { tell(KeepStep, step) }); err != nil {
		return err
	}
	lost := make(chan error)
	held, err := w.Hold(ctx, prefix, func(err error) {
		select {
		case lost <- err:
		case <-ctx.Done():
		}
	})
	if err != nil {
		return err
	}
	defer held.Release()
	tell(KeepUp, w.Version)
	var up chan struct{} // nil while it runs
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-lost:
			tell(KeepLost, err.Error())
			up = held.up
		case up <- struct{}{}:
			tell(KeepUp, w.Version)
			up = nil
		}
	}
}
