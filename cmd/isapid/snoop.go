package main

import (
	"bufio"
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

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/hub"
	"github.com/isapid/isapid/internal/trace"
)

type snoopOptions struct {
	*control
	filter  trace.Filter
	request string
	json    bool
	count   bool
}

func newSnoopCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snoop [SITE/APP|POOL|IMAGE]",
		Short: "Watch the calls that extensions and filters make and get",
		Long: `Watch the calls that extensions and filters of a running server make and get: each function of an image that is called, and each
that it calls, with arguments, results, errors and times, nested by request. Without an argument it is everything; SITE/APP is an
application (shop/orders; shop/ for the root), IMAGE the path or the name of a file, with or without its extension.

It shows requests that begin when it is there; those inside already are listed first. Ctrl-C ends it. The server waits for nobody who
looks: what is too much is dropped, and the number of such events shown. Passwords, cookies and the like are masked unless
--secrets is given. The other flags go together: what all of them want is shown.`,
		Example: `  isapid snoop shop/orders
  isapid snoop legacy --errors --json
  isapid snoop proposal.so --call WriteClient --slower 10ms
  isapid snoop --client 10.0.0.0/8 --url '/orders/*' --body 200
  isapid snoop legacy -c`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
	}
	o := &snoopOptions{control: newControlWith(cmd, "")} // -c is another flag here
	f, flags := &o.filter, cmd.Flags()
	flags.StringVar(&o.request, "request", "", "only the request with this `ID`, as isapid requests and the log have it")
	flags.StringSliceVar(&f.Calls, "call", nil, "only these calls, `NAME`,NAME: WriteClient, HSE_REQ_SEND_URL, SF_NOTIFY_LOG, HttpExtensionProc, …")
	flags.BoolVar(&f.Errors, "errors", false, "only calls that failed")
	flags.DurationVar(&f.Slower, "slower", 0, "only calls that took longer than so `long`, as 10ms")
	flags.StringVar(&f.Client, "client", "", "only requests from this `ADDRESS`, or network as 10.0.0.0/8")
	flags.StringVar(&f.URL, "url", "", "only requests for this `PATH`, with * for anything")
	flags.Float64Var(&f.Sample, "sample", 0, "only `so many` of the requests: 0.01 is one in a hundred")
	flags.IntVar(&f.Body, "body", 0, "show so many `bytes` of what is read and written")
	flags.BoolVar(&f.Secrets, "secrets", false, "show Authorization, Cookie, AUTH_PASSWORD and the like")
	flags.BoolVar(&o.json, "json", false, "print JSON lines")
	flags.BoolVarP(&o.count, "count", "c", false, "print a table in the end instead: calls, errors and time by function")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(cmd.Flags().Changed("sample")); err != nil {
			return usageError{err}
		}
		target := ""
		if len(args) > 0 {
			target = args[0]
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // the second Ctrl-C ends at once
		return runSnoop(ctx, o, target, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// check looks at what needs no server; sampled: --sample was given.
func (o *snoopOptions) check(sampled bool) (err error) {
	if sampled && o.filter.Sample == 0 {
		return errors.New("--sample 0 would show nothing: it must be over 0 and at most 1")
	}
	if o.request != "" {
		if o.filter.Request, err = trace.ParseID(o.request); err != nil {
			return fmt.Errorf("--request %s: %w", o.request, err)
		}
	}
	return checkFilter(&o.filter)
}

// checkFilter looks at what snoop and record have in common.
func checkFilter(f *trace.Filter) error {
	if f.URL != "" && f.URL[0] != '/' && f.URL[0] != '*' {
		return fmt.Errorf("--url %s fits no path: it must begin with / or with *", f.URL)
	}
	return f.Check()
}

func runSnoop(ctx context.Context, o *snoopOptions, target string, out, errOut io.Writer) error {
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
	stream, err := client.Snoop(ctx, o.filter)
	if err != nil {
		return err
	}
	defer stream.Close()
	buffered := bufio.NewWriterSize(out, 64<<10)
	show := newSnoopView(o, buffered, isTerminal(out) && os.Getenv("NO_COLOR") == "")
	ended, err := follow(ctx, hub.NewReader(&flushing{stream, buffered}), show, func(h *hub.Hello) {
		for _, m := range h.Missing {
			fmt.Fprintf(errOut, "isapid: %s (pid %d) does not say that it listens: %s\n", harmless(m.Worker), m.Pid, harmless(m.Why))
		}
		alreadyInside(ctx, client, &h.Filter, errOut)
		fmt.Fprintln(errOut, "isapid: watching; Ctrl-C ends")
	})
	show.end()
	if flushed := buffered.Flush(); err == nil {
		err = flushed
	}
	if ended && err == nil {
		fmt.Fprintln(errOut, "isapid: the server has ended")
	}
	return err
}

// follow shows what is on a stream until its end, which may be that of the server, or until ctx ends.
func follow(ctx context.Context, in *hub.Reader, show *snoopView, begun func(*hub.Hello)) (ended bool, err error) {
	for {
		r, err := in.Next()
		switch {
		case ctx.Err() != nil:
			return false, nil
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		}
		switch r.Kind {
		case hub.KindHello:
			begun(&r.Hello)
		case hub.KindBatch:
			if err := show.batch(in, &r); err != nil {
				return false, err
			}
		case hub.KindDropped:
			show.dropped(r.Dropped)
		default: // the reader keeps it, or nobody needs it
		}
	}
}

// flushing has everybody see what is there before it waits for more.
type flushing struct {
	from io.Reader
	out  *bufio.Writer
}

func (f *flushing) Read(p []byte) (int, error) {
	if err := f.out.Flush(); err != nil {
		return 0, err
	}
	return f.from.Read(p)
}

// alreadyInside lists the requests that were there before: of them nothing is seen but this.
func alreadyInside(ctx context.Context, client *admin.Client, f *trace.Filter, errOut io.Writer) {
	s, err := client.Requests(ctx, false)
	if err != nil {
		return // the stream will say what is wrong
	}
	now := time.Now()
	for i := range s.InFlight {
		r := &s.InFlight[i]
		if len(r.Inside) > 0 && about(r, f) {
			fmt.Fprintf(errOut, "isapid: inside already, since %s: %s %s %s at %s, %s\n", clock(now.Add(-time.Duration(r.Age))), harmless(r.ID), harmless(r.Method),
				harmless(r.URL), harmless(placeOf(r)), insideOf(r))
		}
	}
}

// about says whether a request fits what a filter says of the place, which is what most filters are for.
func about(r *admin.InFlight, f *trace.Filter) bool {
	return (f.Site == "" || r.Site == f.Site) && (f.App == "" || r.Application == f.App) && (f.Pool == "" || hub.PartOf(r.Pool, f.Pool)) &&
		(f.Image == "" || isImage(r.Image, f.Image)) && (f.Request == 0 || r.ID == trace.FormatID(f.Request))
}

// aim has f want what the user has named: an application, a pool or an image.
func aim(f *trace.Filter, target string, s *admin.Status) error {
	target, err := fullName(target)
	if err != nil {
		return err
	}
	site, app, slash := strings.Cut(target, "/")
	var pools, images []string
	for i := range s.Pools {
		p := &s.Pools[i]
		pools = append(pools, p.Of, p.Name)
		for _, m := range p.Images {
			images = append(images, m.Path)
		}
	}
	for _, e := range s.InProcess {
		pools, images = append(pools, e.Pool), append(images, e.Image)
	}
	for _, i := range s.Images {
		images = append(images, i.Image)
	}
	switch {
	case filepath.IsAbs(target):
		f.Image = filepath.Clean(target) // it may be loaded later
	case slices.Contains(pools, target): // first: a part of a pool has a slash in its name
		f.Pool = target
	case slash:
		f.Site, f.App = site, "/"+app
	case slices.ContainsFunc(images, func(path string) bool { return isImage(path, target) }):
		f.Image = target
	default:
		return fmt.Errorf("nothing is called %q: pools are %s; images are %s\nan application is named as SITE/APP, an image that is not loaded yet by its path", target,
			named(pools), named(images))
	}
	return nil
}

// isImage says whether a name means the image at path: it is that, its last part, or that without extension.
func isImage(path, name string) bool {
	base := filepath.Base(path)
	return name == path || name == base || name == strings.TrimSuffix(base, filepath.Ext(base))
}

func named(list []string) string {
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) == 0 {
		return "none"
	}
	return harmless(strings.Join(list, ", "))
}
