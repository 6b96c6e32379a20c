package main

import (
	"fmt"
	"io"
	"time"

	"github.com/isapid/isapid/internal/swap"
)

// printReceipt prints r for people. What is not known is left out.
func printReceipt(out io.Writer, r *swap.Receipt) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "  %-10s  %s\n", name, fmt.Sprintf(format, args...))
	}
	after := func(name string, t *time.Time, what string) {
		if t != nil {
			line(name, "after %s: %s", lapse(t.Sub(r.Began)), what)
		}
	}
	fmt.Fprintf(out, "\n%s: %s\n", harmless(r.Image), harmless(string(r.Outcome)))
	if r.Reason != "" {
		line("reason", "%s", harmless(r.Reason))
	}
	line("from", "%s", buildText(r.From))
	line("to", "%s", buildText(r.To))
	for _, g := range r.Generations {
		line("generation", "%d -> %d of pool %s", g.Old, g.New, harmless(g.Pool))
	}
	line("who", "%s", harmless(r.Who))
	line("mode", "%s", harmless(r.Mode))
	line("began", "%s", moment(r.Began))
	after("ready", r.Ready, "the new version was loaded and answered")
	after("verified", r.Verified, "it answered the probe")
	after("committed", r.Committed, "it gets every new request")
	after("watched", r.Watched, "the watch window ended well")
	after("ended", r.Ended, endings[r.Outcome])
	line("in flight", "%s in the old version at the commit", plural(int64(r.InFlight), "request"))
	held := ""
	if r.Held > 0 {
		held = ", the longest for " + lapse(time.Duration(r.LongestHold))
	}
	line("held", "%s%s", plural(int64(r.Held), "request"), held)
	line("lost", "%s", plural(r.Lost, "request"))
	if r.Backup != "" {
		line("backup", "%s", harmless(r.Backup))
	}
	if r.Failed != "" {
		line("failed", "%s", harmless(r.Failed))
	}
}

// endings say what the end of a swap was.
var endings = map[swap.Outcome]string{
	swap.Committed: "the old version is unloaded", swap.Rejected: "the new version was given up", swap.TakenBack: "the new version is unloaded", swap.Running: "",
}

// buildText tells a version from others, for people.
func buildText(b swap.Build) string {
	text := version12(b)
	if b.Description != "" {
		text += ", " + harmless(b.Description)
	}
	return text
}

// version12 is the short name of a version.
func version12(b swap.Build) string { return "version " + shortHash(b) }

// shortHash is what a hash begins with: enough to tell versions apart and to name one to "isapid rollback".
func shortHash(b swap.Build) string {
	if b.SHA256 == "" {
		return "unknown"
	}
	return harmless(b.SHA256[:min(12, len(b.SHA256))])
}

// moment is a point of time on the clock of who reads it.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// clock is the time of the day on that clock.
func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }

// lapse is a duration in a unit that fits: "91 ms", "1.25 s", "3 min 5 s".
func lapse(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.3g s", d.Truncate(10*time.Millisecond).Seconds())
	}
	return span(d)
}
