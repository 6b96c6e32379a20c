package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/swap"
)

// printStatus prints s for people. What extensions, clients and files say goes through harmless.
func printStatus(out io.Writer, s *admin.Status, now time.Time) {
	fmt.Fprintf(out, "isapid %s is %s, for %s (pid %d)\n", harmless(s.Version), s.State, span(time.Duration(s.Uptime)), s.Pid)
	if s.Config != "" {
		fmt.Fprintf(out, "  configuration  %s\n", harmless(s.Config))
	}
	for _, u := range s.URLs {
		fmt.Fprintf(out, "  url            %s\n", harmless(u))
	}
	r := s.Requests
	for i := range s.Pools {
		r.Faults += int64(s.Pools[i].Totals.Faults)
	}
	fmt.Fprintf(out, "  requests       %d answered, %d running, %d cut off, %s\n", r.Served, r.Running, r.Broken, plural(r.Faults, "fault"))
	if p := s.Process; p.Threads > 0 {
		fmt.Fprintf(out, "  process        %s CPU, %s, %s\n", lapse(time.Duration(p.CPU)), plural(int64(p.Threads), "thread"), mebibytes(p.Resident))
	}
	for i := range s.InProcess {
		printInside(out, &s.InProcess[i])
	}
	for i := range s.Snoops {
		printSnoop(out, &s.Snoops[i], now)
	}
	for i := range s.Pools {
		fmt.Fprintln(out)
		printPool(out, &s.Pools[i], now)
	}
	for i := range s.Images {
		if i == 0 {
			fmt.Fprintln(out)
		}
		printImage(out, &s.Images[i], now)
	}
}

// printInside prints an image that is loaded into the server itself.
func printInside(out io.Writer, e *admin.Extension) {
	what := ""
	if e.Filter {
		what = "filter, "
	}
	fmt.Fprintf(out, "  in-process     %s (%spool %s)%s\n", harmless(e.Image), what, harmless(e.Pool), described(e.Description))
	if e.SHA256 != "" {
		fmt.Fprintf(out, "    generation %d, %s: %s, %s\n", e.Generation, version12(swap.Build{SHA256: e.SHA256}), plural(e.Requests, "request"), plural(e.Faults, "fault"))
	}
}

// printSnoop prints who looks at calls.
func printSnoop(out io.Writer, s *admin.Snoop, now time.Time) {
	who := s.Who
	if who == "" {
		who = "somebody"
	}
	fmt.Fprintf(out, "  snoop %-8d %s, for %s: %s, %d dropped\n", s.ID, harmless(who), span(now.Sub(s.Since)), plural(int64(s.Events), "event"), s.Dropped)
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// printImage prints which version of an image serves, and what was done about it last.
func printImage(out io.Writer, i *swap.State, now time.Time) {
	fmt.Fprintf(out, "image %s is %s, for %s\n", harmless(i.Image), buildText(i.Serving), span(now.Sub(i.Since)))
	if i.Doing != "" {
		fmt.Fprintf(out, "  now   %s\n", harmless(i.Doing))
	}
	if r := i.Last; r != nil {
		fmt.Fprintf(out, "  last  %s ago, %s: %s -> %s %s\n", span(now.Sub(r.Began)), harmless(r.Who), shortHash(r.From), shortHash(r.To), harmless(string(r.Outcome)))
	}
}

func described(text string) string {
	if text == "" {
		return ""
	}
	return ": " + harmless(text)
}

func printPool(out io.Writer, p *admin.Pool, now time.Time) {
	fmt.Fprintf(out, "pool %s is %s: generation %d (%s)\n", harmless(p.Name), stateOf(p), p.Generation, harmless(p.Because))
	if p.Name != p.Group && p.Platform != "" {
		fmt.Fprintf(out, "  for    %s%s\n", harmless(p.Platform), underWine(p))
	}
	if r := p.Rollout; r != nil && r.Generation != 0 {
		fmt.Fprintf(out, "  generation %d is being started (%s)\n", r.Generation, harmless(r.Reason))
	}
	if len(p.Workers) > 0 {
		printWorkers(out, p.Workers, now)
	}
	for _, m := range p.Images {
		version := ""
		if m.SHA256 != "" {
			version = " " + version12(swap.Build{SHA256: m.SHA256})
		}
		fmt.Fprintf(out, "  image  %s%s%s\n", harmless(m.Path), version, described(m.Description))
	}
	t := p.Totals
	fmt.Fprintf(out, "  so far  %s, %s, %s, %d recycled\n", plural(int64(t.Starts), "start"), plurals(t.Crashes, "crash", "crashes"), plural(int64(t.Faults), "fault"), t.Recycles)
	for i := range p.Deaths {
		for _, line := range deathLines(p.Name, &p.Deaths[i], now) {
			fmt.Fprintf(out, "  %s\n", line)
		}
	}
}

// underWine is what follows the platform of a pool whose workers run under Wine.
func underWine(p *admin.Pool) string {
	if p.Wine == "" {
		return ""
	}
	return fmt.Sprintf(", under %s in %s", harmless(p.Wine), harmless(p.Prefix))
}

func plurals(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func printWorkers(out io.Writer, workers []pool.WorkerStatus, now time.Time) {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "  WORKER\tPID\tPLATFORM\tSTATE\tGENERATION\tAGE\tREQUESTS\tINSIDE\tMEMORY\tCPU\tTHREADS\tLAST PING")
	for i := range workers {
		w := &workers[i]
		pid, age, memory, cpu, threads, ping := "-", "-", "-", "-", "-", "-"
		if w.Pid != 0 {
			pid, age = fmt.Sprint(w.Pid), span(time.Duration(w.Age))
		}
		if w.Resident > 0 {
			memory = mebibytes(w.Resident)
		}
		if w.Threads > 0 {
			cpu, threads = lapse(time.Duration(w.CPU)), fmt.Sprint(w.Threads)
		}
		if w.LastPing != nil {
			ping = span(now.Sub(*w.LastPing)) + " ago"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", harmless(w.Name), pid, platformOf(w), harmless(w.State), w.Generation, age, w.Served, w.InFlight, memory, cpu, threads, ping)
	}
	t.Flush()
}

// platformOf is what a worker is a program of, and under which Wine.
func platformOf(w *pool.WorkerStatus) string {
	switch {
	case w.Platform == "":
		return "-"
	case w.Wine == "":
		return harmless(w.Platform)
	}
	return harmless(w.Platform) + ", Wine " + harmless(w.Wine)
}

// stateOf is the state of a pool in words.
func stateOf(p *admin.Pool) string {
	switch p.State {
	case pool.StateEmpty:
		return "empty, it has loaded nothing yet"
	case pool.StateStarting:
		return "starting, no worker is ready yet"
	case pool.StateIdle:
		return "asleep until there is a request"
	case pool.StateDraining:
		return "being stopped"
	case pool.StateRunning, pool.StateDegraded, pool.StateStopped:
		return string(p.State)
	default:
		return harmless(string(p.State))
	}
}

// deathLines tell how a worker ended, with what it wrote.
func deathLines(name string, d *pool.Death, now time.Time) []string {
	when := span(now.Sub(d.At)) + " ago, "
	if d.At.Equal(now) {
		when = ""
	}
	why := ""
	if d.Reason != "" {
		why = " (" + harmless(d.Reason) + ")"
	}
	lines := []string{fmt.Sprintf("ended  %s/%d (pid %d) %s%s old: %s%s; %s, %d lost", harmless(name), d.Worker, d.Pid, when, span(time.Duration(d.Age)),
		harmless(d.How), why, plural(d.Served, "request"), d.Lost)}
	if d.Obituary != "" {
		lines = append(lines, "  more: isapid crashes "+harmless(d.Obituary))
	}
	for line := range strings.Lines(d.Output) {
		if line = strings.TrimRight(line, "\r\n"); line != "" && !d.Expected {
			lines = append(lines, "  | "+harmless(line))
		}
	}
	return lines
}

// span is a duration with two units at most: "12 s", "3 min 5 s", "4 d 2 h".
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	for _, u := range []struct {
		big, small         time.Duration
		bigName, smallName string
	}{
		{24 * time.Hour, time.Hour, "d", "h"},
		{time.Hour, time.Minute, "h", "min"},
		{time.Minute, time.Second, "min", "s"},
	} {
		if d < u.big {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.big, u.bigName)
		if rest := d % u.big / u.small; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, u.smallName)
		}
		return text
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// until says when a time comes: "in 8 s", "now".
func until(t, now time.Time) string {
	if d := t.Sub(now); d >= time.Second {
		return "in " + span(d)
	}
	return "now"
}
