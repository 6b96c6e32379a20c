package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/isapid/isapid/internal/admin"
)

type topOptions struct {
	*control
	every  time.Duration
	rounds int
	json   bool
}

func newTopCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the pools, workers and requests of a running server",
		Long: `Watch the pools, workers and requests of a running server, in the terminal.

Keys: 1 pools, 2 workers, 3 requests, Tab the next of them; < and > sort by another column, r the other way round; the arrows, Page
Up, Page Down, Home and End move; p stops the clock; q or Ctrl-C ends.

With --json there is one line for each look at the server, the status with its requests in flight, and no terminal is needed.`,
		Example: `  isapid top
  isapid top --json -n 1`,
		Args: usageArgs(cobra.NoArgs),
	}
	o := &topOptions{control: newControl(cmd)}
	cmd.Flags().DurationVar(&o.every, "every", time.Second, "look at the server again after so `long`")
	cmd.Flags().IntVarP(&o.rounds, "rounds", "n", 0, "end after `so many` looks (default: never)")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON lines")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.every < 100*time.Millisecond {
			return usageError{fmt.Errorf("--every %v is too often: 100ms is the least", o.every)}
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // the second Ctrl-C ends at once
		return runTop(ctx, o, cmd.OutOrStdout())
	}
	return cmd
}

func runTop(ctx context.Context, o *topOptions, out io.Writer) error {
	if !o.json && !isTerminal(out) {
		return errors.New("top draws on a terminal, and the output is none: take \"isapid top --json\", \"isapid status\" or \"isapid requests\"")
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.Close()
	first, err := client.Requests(ctx, false) // what is wrong from the start is told as other commands tell it
	if err != nil {
		return err
	}
	if o.json {
		return topLines(ctx, client, o, &first, out)
	}
	screen, err := tcell.NewScreen()
	if err == nil {
		err = screen.Init()
	}
	if err != nil {
		return fmt.Errorf("the terminal cannot be used: %w", err)
	}
	defer screen.Fini()
	return watch(ctx, client, o, &first, screen)
}

// isTerminal says whether out is a terminal.
func isTerminal(out io.Writer) bool {
	f, ok := beneath(out).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// topLines prints one status after another.
func topLines(ctx context.Context, client *admin.Client, o *topOptions, s *admin.Status, out io.Writer) error {
	for n := 1; ; n++ {
		printJSON(out, s)
		if n == o.rounds || !pause(ctx, o.every) {
			return nil
		}
		next, err := client.Requests(ctx, false)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		s = &next
	}
}

// pause waits; false: ctx has ended before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// looked is what a look at the server has found.
type looked struct {
	status admin.Status
	err    error
	at     time.Time
}

// watch draws what the server says, and does what keys say, until one or ctx ends it.
func watch(ctx context.Context, client *admin.Client, o *topOptions, first *admin.Status, screen tcell.Screen) error {
	ctx, cancel := context.WithCancel(ctx)
	looks, events := make(chan *looked), make(chan tcell.Event)
	var others sync.WaitGroup
	others.Go(func() { lookAgain(ctx, client, o, looks) })
	others.Go(func() { screen.ChannelEvents(events, ctx.Done()) })
	defer func() { cancel(); others.Wait() }()
	view := newTop(o.every)
	view.look(&looked{*first, nil, time.Now()})
	for {
		view.draw(screen)
		select {
		case l, more := <-looks:
			if !more {
				return nil
			}
			view.look(l)
		case ev := <-events:
			switch ev := ev.(type) {
			case *tcell.EventKey:
				_, height := screen.Size()
				if view.key(ev, height) {
					return nil
				}
			case *tcell.EventResize:
				screen.Sync()
			case nil: // the terminal is gone
				return nil
			}
		}
	}
}

// lookAgain looks at the server until ctx ends, or it was often enough; then it closes to.
func lookAgain(ctx context.Context, client *admin.Client, o *topOptions, to chan<- *looked) {
	defer close(to)
	for n := 1; n != o.rounds && pause(ctx, o.every); n++ {
		s, err := client.Requests(ctx, false)
		select {
		case to <- &looked{s, err, time.Now()}:
		case <-ctx.Done():
		}
	}
}
