package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/tape"
	"github.com/isapid/isapid/internal/trace"
)

type recordOptions struct {
	*control
	file     string
	filter   trace.Filter
	count    int
	duration time.Duration
	mask     bool
	json     bool
}

func newRecordCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "record FILE [SITE/APP|POOL|IMAGE]",
		Short: "Record requests of a running server with the calls made for them",
		Long: `Record the requests that a running server gets, what it answers, and the calls that extensions and filters make and get for them. What
is recorded can be played to another build of an image with "isapid replay". Without the second argument it is every request that an image
has a part in; SITE/APP is an application (shop/orders; shop/ for the root), IMAGE the path or the name of a file.

FILE must not be there yet; only its owner may read it, for requests have passwords and cookies in them, which replay needs. With --mask they
are replaced. A name that ends in .gz makes a compressed file. Requests that have begun before are not recorded, and those with bodies above
8 MiB cannot be played again. Ctrl-C ends the recording.`,
		Example: `  isapid record orders.tape shop/orders --count 1000
  isapid record all.tape.gz --duration 1h --mask`,
		Args: usageArgs(cobra.RangeArgs(1, 2)),
	}
	o := &recordOptions{control: newControl(cmd)}
	flags := cmd.Flags()
	flags.IntVar(&o.count, "count", 0, "end after so `many` requests")
	flags.DurationVar(&o.duration, "duration", 0, "end after so `long`, as 10m")
	flags.BoolVar(&o.mask, "mask", false, "replace passwords, cookies and the like: requests that need them will be answered in another way")
	flags.StringVar(&o.filter.Client, "client", "", "only requests from this `ADDRESS`, or network as 10.0.0.0/8")
	flags.StringVar(&o.filter.URL, "url", "", "only requests for this `PATH`, with * for anything")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.file = args[0]
		target := ""
		if len(args) > 1 {
			target = args[1]
		}
		if o.count < 0 || o.duration < 0 {
			return usageError{errors.New("--count and --duration cannot be negative")}
		}
		if err := checkFilter(&o.filter); err != nil {
			return usageError{err}
		}
		return runRecord(cmd.Context(), o, target, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func runRecord(ctx context.Context, o *recordOptions, target string, out, errOut io.Writer) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.Close()
	if target != "" {
		s, err := client.Status(ctx)
		if err != nil {
			return err
		}
		if err := aim(&o.filter, target, &s); err != nil {
			return err
		}
	}
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	stream, err := client.Record(ctx, admin.RecordRequest{Filter: o.filter, Mask: o.mask})
	if err != nil {
		return err
	}
	defer stream.Close()
	file, err := tape.Create(o.file)
	if errors.Is(err, fs.ErrExist) {
		return usageError{fmt.Errorf("%q is there already: name a new file", o.file)}
	}
	if err != nil {
		return err
	}
	came := make(chan struct{}, 1)
	ended, over := endOf(ctx, o.duration, came, cut)
	defer over()
	r := &recording{o: o, file: file, ended: ended, came: came, errOut: errOut}
	err = errors.Join(r.run(tape.NewLines(stream)), file.Close())
	if err != nil {
		return err
	}
	if o.json {
		printJSON(out, r)
		return nil
	}
	fmt.Fprintf(out, "recorded %s in %s", plural(int64(r.Requests), "request"), o.file)
	if r.Unusable > 0 {
		fmt.Fprintf(out, "; %d of them cannot be played again", r.Unusable)
	}
	if r.Incomplete > 0 {
		fmt.Fprintf(out, "; of %d not all calls are known", r.Incomplete)
	}
	if r.Missing > 0 {
		fmt.Fprintf(out, "; %s left out: they came faster than they could be written", plural(r.Missing, "request"))
	}
	fmt.Fprintln(out)
	return nil
}

// mostLate is how long is waited at most for what has ended before the end.
const mostLate = 30 * time.Second

// endOf tells when the user wants an end, or the time is over. What has ended by then still comes: each time came has an element. When it has
// none for a while cut ends that.
func endOf(ctx context.Context, after time.Duration, came <-chan struct{}, cut func()) (ended <-chan time.Time, over func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done, gone, told := make(chan struct{}), make(chan struct{}), make(chan time.Time, 1)
	var timer <-chan time.Time
	if after > 0 {
		timer = time.After(after)
	}
	go func() {
		defer close(gone)
		select {
		case <-signals:
		case <-timer:
		case <-ctx.Done():
			return
		case <-done:
			return
		}
		told <- time.Now()
		quiet := time.NewTimer(2 * tape.Settle) // what is on its way takes so long
		defer quiet.Stop()
		late := time.After(mostLate)
		for {
			select {
			case <-came:
				quiet.Reset(2 * tape.Settle)
				continue
			case <-quiet.C:
			case <-late:
			case <-signals:
			case <-done:
				return
			}
			cut()
			return
		}
	}()
	return told, func() {
		signal.Stop(signals)
		close(done)
		<-gone
	}
}

// recording takes the lines of a tape from a server to a file.
type recording struct {
	Requests   int `json:"requests"`
	Unusable   int `json:"unusable"`   // cannot be played again
	Incomplete int `json:"incomplete"` // of which calls are missing

	Missing int64 `json:"missing"` // were left out, because they came faster than they could be written

	o      *recordOptions
	file   *tape.Writer
	ended  <-chan time.Time
	came   chan<- struct{} // gets an element for each line that is wanted
	errOut io.Writer
}

// run ends when there are enough requests, the user wants it, or the server has ended.
func (r *recording) run(in *tape.Lines) error {
	var end time.Time // of what is recorded; zero: there is none yet
	for first := true; ; {
		line, err := in.Next()
		select {
		case end = <-r.ended:
		default:
		}
		switch {
		case err != nil && !end.IsZero(), errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the server's answer broke off: %w", err)
		case len(bytes.TrimSpace(line)) == 0:
			continue
		}
		if err := tape.Check(line, first); err != nil {
			return fmt.Errorf("the server's answer cannot be read: %w", err)
		}
		if first {
			first = false
			fmt.Fprintln(r.errOut, "isapid: recording; Ctrl-C ends")
		} else if later, err := r.count(line, end); err != nil || later {
			if err != nil {
				return err
			}
			continue
		}
		if err := errors.Join(r.file.Line(line), r.file.Flush()); err != nil {
			return err
		}
		select {
		case r.came <- struct{}{}:
		default:
		}
		if r.o.count > 0 && r.Requests == r.o.count {
			return nil
		}
	}
}

// count looks at an entry, or a gap. An entry that began after the end is not wanted.
func (r *recording) count(line []byte, end time.Time) (later bool, err error) {
	var e struct {
		At   time.Time `json:"at"`
		Cut  string    `json:"cut"`
		Lost int       `json:"calls_lost"`
		tape.Gap
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return false, err
	}
	if e.Missing > 0 {
		r.Missing += e.Missing
		return false, nil
	}
	if !end.IsZero() && e.At.After(end) {
		return true, nil
	}
	r.Requests++
	if e.Cut != "" {
		r.Unusable++
	}
	if e.Lost > 0 {
		r.Incomplete++
	}
	return false, nil
}
