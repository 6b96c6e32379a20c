package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/isapid/isapid/internal/tape"
)

type replayOptions struct {
	file      string
	against   []string
	image     string
	root      string
	calls     string
	ignore    []string
	normalize []string
	limit     time.Duration
	json      bool

	rules tape.Rules
}

// differsError says that a replay has found differences. What they are was printed.
type differsError struct{ error }

func newReplayCommand() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE [--against IMAGE]",
		Short: "Send recorded requests to another build and say what differs",
		Long: `Send the requests of a tape, which "isapid record" has made, to another build of an image, and say what is answered in another way: status, header
lines, body, and the calls that the image makes and gets. The exit code is 0 if all is the same, 1 if something differs, 4 if the image cannot be loaded.

The image of --against takes the place of the one that was recorded, in a worker of its own behind a server that listens on the loopback only, with the
handlers, filters and folders that the tape names. Without --against it is the recorded image, as it is now. With --against given twice the
tape gives only the requests: the second build is compared with the first one. Requests are sent one at a time, in the order in which they ended.

Header lines that belong to the moment (Date, Connection, Keep-Alive, Transfer-Encoding) are not compared. --normalize replaces what a pattern (RE2) finds, in
header lines, bodies and arguments of both sides, before they are compared: times, counters, session ids.`,
		Example: `  isapid replay orders.tape --against build/orders.so
  isapid replay orders.tape --against orders-2.0.so --against orders-2.1.so --calls full --json
  isapid replay orders.tape --against orders.so --ignore X-Request-Id --normalize '[0-9]+ ms=N ms'`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			if err := o.check(); err != nil {
				return usageError{err}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return runReplay(ctx, &o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.against, "against", nil, "`IMAGE` to send the requests to (default: the recorded one); a second one is compared with the first")
	f.StringVar(&o.image, "image", "", "`name` or path of the recorded image that is replaced, if there were several")
	f.StringVar(&o.root, "root", "", "document root `folder` (default: the recorded one)")
	f.StringVar(&o.calls, "calls", string(tape.CallsNames), "compare calls: `off|names|full`; names has their results and errors, full their arguments, too")
	f.StringArrayVar(&o.ignore, "ignore", nil, "do not compare header lines with this `name`; may be given again")
	f.StringArrayVar(&o.normalize, "normalize", nil, "`PATTERN=TEXT` to replace before anything is compared; may be given again")
	f.DurationVar(&o.limit, "timeout", 30*time.Second, "longest time of a request")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// check looks at what needs no file.
func (o *replayOptions) check() error {
	o.rules = tape.Rules{Calls: tape.Calls(o.calls), Ignore: o.ignore}
	switch {
	case o.rules.Calls != tape.CallsOff && o.rules.Calls != tape.CallsNames && o.rules.Calls != tape.CallsFull:
		return fmt.Errorf("--calls %q is none of off, names and full", o.calls)
	case len(o.against) > 2:
		return errors.New("--against can be given twice at most")
	case o.limit <= 0:
		return errors.New("--timeout must be more than 0")
	}
	for _, text := range o.normalize {
		n, err := tape.ParseNormal(text)
		if err != nil {
			return fmt.Errorf("--normalize: %w", err)
		}
		o.rules.Normalize = append(o.rules.Normalize, n)
	}
	return nil
}

// verdict is what a replay has found.
type verdict struct {
	Tape     string       `json:"tape"`
	Image    string       `json:"image"`              // that was replaced
	Against  string       `json:"against"`            // by this one
	Compared string       `json:"compared,omitempty"` // the build it is compared with, instead of what was recorded
	Requests int          `json:"requests"`           // that were sent
	Differ   int          `json:"differ"`
	Skipped  int          `json:"skipped"` // cannot be played again
	Calls    int          `json:"calls_incomplete"`
	Cut      bool         `json:"tape_cut,omitempty"` // the tape does not end as it should
	Missing  int64        `json:"missing,omitempty"`  // were left out when the tape was recorded
	Crashes  int          `json:"crashes"`
	Found    []difference `json:"differences"`
}

// difference is a request that was answered in another way.
type difference struct {
	Number  int               `json:"number"` // of the request on the tape, from 1
	ID      string            `json:"id"`     // as it was recorded
	Method  string            `json:"method"`
	Target  string            `json:"target"`
	What    []tape.Difference `json:"what"`
	Crashes []crashed         `json:"crashes,omitempty"`
}

// crashed is what a worker died of, or contained.
type crashed struct {
	Text  string   `json:"text"`
	Stack []string `json:"stack,omitempty"`
}

// mostFound is how many requests that differ are shown; the others are counted.
const mostFound = 1000

func runReplay(ctx context.Context, o *replayOptions, out, errOut io.Writer) error {
	v := verdict{Tape: o.file, Found: []difference{}}
	h, image, err := o.survey(&v)
	if err != nil {
		return err
	}
	v.Image = image
	builds := slices.Clone(o.against)
	if len(builds) == 0 {
		builds = []string{image}
	}
	for i := range builds {
		if builds[i], err = filepath.Abs(builds[i]); err != nil {
			return err
		}
		if _, err := os.Stat(builds[i]); err != nil {
			return imageError{fmt.Errorf("nothing to replay against: %w", err)}
		}
	}
	v.Against = builds[len(builds)-1]
	dir, err := os.MkdirTemp("", "isapid-replay-")
	if err != nil {
		return fmt.Errorf("make a folder for the replay: %w", err)
	}
	defer os.RemoveAll(dir)
	var stages []*stage
	for i, b := range builds {
		s, err := o.stage(&h, image, b, filepath.Join(dir, fmt.Sprint(i)), errOut)
		if err != nil {
			return errors.Join(err, closeStages(stages))
		}
		stages = append(stages, s)
	}
	if len(stages) > 1 {
		v.Compared = builds[0]
	}
	err = o.play(ctx, &v, stages)
	if err = errors.Join(err, closeStages(stages)); err != nil {
		return err
	}
	v.blame(stages[len(stages)-1].obituaries())
	if o.json {
		printJSON(out, v)
	} else {
		v.print(out)
	}
	if v.Differ > 0 || v.Crashes > 0 {
		return differsError{fmt.Errorf("%d of %s differ", v.Differ, plural(int64(v.Requests), "request"))}
	}
	if v.Requests == 0 {
		return errors.New("the tape has no request that can be played again")
	}
	return nil
}

// survey reads the tape once, to see which image is meant and whether it can be read to its end.
func (o *replayOptions) survey(v *verdict) (h tape.Header, image string, err error) {
	r, err := tape.Open(o.file)
	if err != nil {
		return h, "", err
	}
	defer r.Close()
	var images []string
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return h, "", fmt.Errorf("%s: %w", o.file, err)
		}
		if e.Image != "" && !slices.Contains(images, e.Image) {
			images = append(images, e.Image)
		}
	}
	v.Cut, v.Missing = r.Cut, r.Missing
	h = r.Header
	if len(images) == 0 {
		for i := range h.Sites {
			images = append(images, h.Sites[i].Filters...)
			for _, a := range h.Sites[i].Applications {
				images = append(images, a.Filters...)
			}
		}
	}
	slices.Sort(images)
	images = slices.Compact(images)
	if wanted := cmp.Or(o.image, h.Image); wanted != "" {
		all := slices.Clone(images)
		for _, i := range h.Images {
			all = append(all, i.Path)
		}
		slices.Sort(all)
		all = slices.Compact(all)
		images = slices.DeleteFunc(slices.Clone(all), func(path string) bool { return !isImage(path, wanted) })
		if len(images) != 1 {
			return h, "", usageError{fmt.Errorf("%q is not one of the recorded images: %s", wanted, named(all))}
		}
	}
	if len(images) != 1 {
		return h, "", usageError{fmt.Errorf("the tape has requests of several images, or of none: say which one is replaced with --image: %s", named(images))}
	}
	return h, images[0], nil
}

// most requests that are sent before they are compared: their answers are in memory.
const mostInBatch = 200

// play sends the requests to all stages, and compares.
func (o *replayOptions) play(ctx context.Context, v *verdict, stages []*stage) error {
	r, err := tape.Open(o.file)
	if err != nil {
		return err
	}
	defer r.Close()
	number := 0
	for {
		var batch []*tape.Entry
		var numbers []int
		for len(batch) < mostInBatch {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", o.file, err)
			}
			if number++; e.Cut != "" {
				v.Skipped++
				continue
			}
			batch, numbers = append(batch, e), append(numbers, number)
		}
		if len(batch) == 0 {
			return nil
		}
		before := batch
		var now []*tape.Entry
		for i, s := range stages {
			if now, err = s.send(ctx, batch); err != nil {
				return err
			}
			if i < len(stages)-1 {
				before = now
			}
		}
		for i, e := range batch {
			v.compare(&o.rules, numbers[i], e, before[i], now[i])
		}
	}
}

// compare looks at one request.
func (v *verdict) compare(rules *tape.Rules, number int, e, before, now *tape.Entry) {
	v.Requests++
	if before.Lost > 0 || now.Lost > 0 {
		v.Calls++
	}
	what := rules.Compare(before, now)
	if len(what) == 0 {
		return
	}
	if v.Differ++; len(v.Found) < mostFound {
		v.Found = append(v.Found, difference{Number: number, ID: now.ID, Method: e.Request.Method, Target: e.Request.Target, What: what})
	}
}

// blame says of which requests workers died.
func (v *verdict) blame(list []grave) {
	v.Crashes = len(list)
	for _, g := range list {
		i := slices.IndexFunc(v.Found, func(d difference) bool { return d.ID == g.request && g.request != "" })
		if i < 0 {
			v.Found = append(v.Found, difference{What: []tape.Difference{}, Crashes: []crashed{g.crashed}})
			continue
		}
		v.Found[i].Crashes = append(v.Found[i].Crashes, g.crashed)
	}
}

func (v *verdict) print(out io.Writer) {
	with := "what was recorded"
	if v.Compared != "" {
		with = v.Compared
	}
	for i := range v.Found {
		d := &v.Found[i]
		if d.Number == 0 {
			fmt.Fprintln(out, "besides")
		} else {
			fmt.Fprintf(out, "request %d: %s %s\n", d.Number, harmless(d.Method), harmless(d.Target))
		}
		for j := range d.What {
			for line := range strings.Lines(sayDifference(&d.What[j])) {
				fmt.Fprintf(out, "  %s\n", strings.TrimSuffix(line, "\n"))
			}
		}
		for _, c := range d.Crashes {
			fmt.Fprintf(out, "  crash: %s\n", harmless(c.Text))
			for _, line := range c.Stack {
				fmt.Fprintf(out, "    %s\n", harmless(line))
			}
		}
	}
	if more := v.Differ - len(v.Found); more > 0 {
		fmt.Fprintf(out, "… and %s\n", plural(int64(more), "more request"))
	}
	fmt.Fprintf(out, "%s played to %s, compared with %s: %d the same, %d different", plural(int64(v.Requests), "request"), v.Against, with, v.Requests-v.Differ, v.Differ)
	if v.Crashes > 0 {
		fmt.Fprintf(out, ", %s", plural(int64(v.Crashes), "crash")+"es"[:min(2, max(0, v.Crashes-1)*2)])
	}
	fmt.Fprintln(out)
	if v.Skipped > 0 {
		fmt.Fprintf(out, "%d cannot be played again: their bodies were not recorded\n", v.Skipped)
	}
	if v.Calls > 0 {
		fmt.Fprintf(out, "of %d not all calls are known: theirs are not compared\n", v.Calls)
	}
	if v.Missing > 0 {
		fmt.Fprintf(out, "%d were left out when the tape was recorded\n", v.Missing)
	}
	if v.Cut {
		fmt.Fprintln(out, "the tape was cut off: what comes before that was played")
	}
}

// sayDifference is a difference for people.
func sayDifference(d *tape.Difference) string {
	quoted := func(s string, side string) string {
		if d.Absent == side {
			return "nothing"
		}
		return fmt.Sprintf("%q", s)
	}
	plain := func(s string, side string) string {
		if d.Absent == side {
			return "nothing more"
		}
		return harmless(s)
	}
	switch d.What {
	case tape.WhatHeader:
		return fmt.Sprintf("header %s: was %s, is %s", harmless(d.Name), quoted(d.Recorded, "recorded"), quoted(d.Now, "now"))
	case tape.WhatBody:
		return fmt.Sprintf("body, from byte %d on (%s)\n  was %q\n  is  %q", *d.Offset, d.Sizes, d.Recorded, d.Now)
	case tape.WhatCalls:
		where := fmt.Sprintf("call %d", d.Call)
		if d.Argument != "" {
			where += ", argument " + harmless(d.Argument)
		}
		return fmt.Sprintf("%s\n  was %s\n  is  %s", where, plain(d.Recorded, "recorded"), plain(d.Now, "now"))
	}
	return fmt.Sprintf("%s: was %s, is %s", d.What, harmless(d.Recorded), harmless(d.Now))
}
