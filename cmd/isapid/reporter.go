package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/isapid/isapid/internal/front"
	"github.com/isapid/isapid/internal/obituary"
	"github.com/isapid/isapid/internal/swap"
)

// reporter tells the person or program that started a server what it does.
type reporter struct {
	out, err io.Writer
	json     bool
	what     string // what is served: "counter.c", "isapid.yaml"
	log      string // where the log goes
	access   string // where the access log goes; "": there is none

	instead string   // file for a log that has none, because there is nobody to read the standard error; "": the standard error
	events  eventLog // gets what is at least a warning, too; nil: nobody
}

type servingEvent struct {
	Event      string            `json:"event"`
	URLs       []string          `json:"urls"`
	Extensions []front.Extension `json:"extensions"`
	Log        string            `json:"log"`
	AccessLog  string            `json:"access_log,omitempty"`
}

type stoppedEvent struct {
	Event    string `json:"event"`
	Requests int64  `json:"requests"`
	Faults   int64  `json:"faults"`
	Broken   int64  `json:"broken"` // responses that had begun and could not be completed
}

func (r *reporter) serving(f *front.Front) {
	if r.json {
		printJSON(r.out, servingEvent{"serving", f.URLs(), f.Extensions(), r.log, r.access})
		return
	}
	fmt.Fprintf(r.out, "serving %s\n", r.what)
	for _, u := range f.URLs() {
		fmt.Fprintf(r.out, "  url          %s\n", u)
	}
	for _, e := range f.Extensions() {
		fmt.Fprintf(r.out, "  description  %s\n", harmless(e.Description))
	}
	fmt.Fprintf(r.out, "  log          %s\n", r.log)
	if r.access != "" {
		fmt.Fprintf(r.out, "  access log   %s\n", r.access)
	}
	fmt.Fprintln(r.out, "press Ctrl-C to stop")
}

type swappedEvent struct {
	Event string `json:"event"`
	swap.Receipt
}

// swapped tells of a swap that has come to its result. It may be called by many goroutines.
func (r *reporter) swapped(s swap.Receipt) {
	name := filepath.Base(s.Image)
	switch {
	case r.json:
		printJSON(r.out, swappedEvent{"swapped", s})
	case s.Outcome == swap.Committed:
		fmt.Fprintf(r.out, "replaced %s by version %.12s after %v: %d in flight, %d held, %d lost\n", name, s.To.SHA256,
			s.Committed.Sub(s.Began).Round(time.Millisecond), s.InFlight, s.Held, s.Lost)
	default:
		fmt.Fprintf(r.out, "%s: version %.12s is %s, the one before serves on: %s\n", name, s.To.SHA256, s.Outcome, s.Reason)
	}
}

type diedEvent struct {
	Event string `json:"event"`
	*obituary.Report
}

// died tells what is known of the death of a worker, or of a fault.
func (r *reporter) died(o *obituary.Report) {
	var text bytes.Buffer
	if r.json {
		printJSON(&text, diedEvent{string(o.Kind), o})
		_, _ = r.out.Write(text.Bytes())
		return
	}
	_ = o.Print(&text)
	_, _ = r.err.Write(text.Bytes())
}

func (r *reporter) draining(f *front.Front, limit time.Duration) {
	if n := f.Stats().Running; n > 0 && !r.json {
		fmt.Fprintf(r.err, "isapid: waiting up to %v for %s; press Ctrl-C again to end at once\n", limit.Round(time.Second), plural(n, "running request"))
	}
}

func (r *reporter) stopped(f *front.Front) {
	s := f.Stats()
	if r.json {
		printJSON(r.out, stoppedEvent{"stopped", s.Requests, s.Faults, s.Broken})
		return
	}
	broken := ""
	if s.Broken > 0 {
		broken = fmt.Sprintf(", %s cut off", plural(s.Broken, "response"))
	}
	fmt.Fprintf(r.out, "stopped: %s served, %s%s\n", plural(s.Requests, "request"), plural(s.Faults, "fault"), broken)
}

func (r *reporter) progress(format string, args ...any) {
	if !r.json {
		fmt.Fprintf(r.err, "isapid: "+format+"\n", args...)
	}
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
