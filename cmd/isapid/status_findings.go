package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/pool"
	"github.com/isapid/isapid/internal/swap"
)

// finding is one thing that is wrong, and what to do about it.
type finding struct{ what, do string }

// From when on something is worth a word.
const (
	longRequest = time.Minute
	longDrain   = 10 * time.Second
	longStart   = 10 * time.Second
	longAgo     = time.Hour // since a death
)

func printFindings(out io.Writer, list []finding) {
	if len(list) == 0 {
		fmt.Fprintln(out, "\nnothing is wrong, as far as isapid can tell")
		return
	}
	fmt.Fprintln(out, "\nwhat is wrong, and what to do")
	for _, f := range list {
		for i, line := range strings.Split(f.what, "\n") {
			fmt.Fprintf(out, "  %s%s\n", strings.Repeat("  ", min(i, 1)), harmless(line))
		}
		if f.do != "" {
			fmt.Fprintf(out, "    -> %s\n", harmless(f.do))
		}
	}
}

func findings(s *admin.Status, now time.Time) (all []finding) {
	if s.State == admin.StateDraining {
		all = append(all, finding{fmt.Sprintf("the server is ending: it waits for %s", plural(s.Requests.Running, "running request")),
			fmt.Sprintf("wait; or kill %d once more, then they are cut off", s.Pid)})
	}
	if r := s.Reload; r != nil && r.Error != "" {
		all = append(all, finding{fmt.Sprintf("the configuration was read again %s ago and not taken:\n%s", span(now.Sub(r.At)), r.Error),
			"repair it; isapid check -c " + s.Config + "; isapid reload"})
	}
	for i := range s.Pools {
		p := &s.Pools[i]
		for _, f := range poolFindings(p, now) {
			f.what = "pool " + p.Name + ": " + f.what
			all = append(all, f)
		}
	}
	for i := range s.InProcess {
		if e := &s.InProcess[i]; e.Faults > 0 {
			all = append(all, finding{fmt.Sprintf("image %s: %s contained in the server's own process since it was loaded", e.Image, plurals(int(e.Faults), "fault was", "faults were")),
				"isapid crashes tells more; mode: isolated for pool " + e.Pool + " keeps such an image out of the server"})
		}
	}
	for i := range s.Images {
		all = append(all, imageFindings(&s.Images[i], now)...)
	}
	for i := range s.Misuse {
		all = append(all, misuseFinding(&s.Misuse[i], now))
	}
	return all
}

// misuseFinding is about something that an image did and must not.
func misuseFinding(m *admin.Finding, now time.Time) finding {
	call := ""
	if m.Call != "" {
		call = " in " + m.Call
	}
	lines := []string{fmt.Sprintf("image %s: %s%s, %s, the last one %s ago: %s", m.Image, m.Kind, call, plural(m.Count, "time"), span(now.Sub(m.Last)), m.Text)}
	if m.Request != "" {
		lines = append(lines, "the first one in request "+m.Request)
	}
	return finding{strings.Join(append(lines, m.Stack...), "\n"), "that is for the author of the image: docs/operations.md, misuse, says what each kind means"}
}

func imageFindings(i *swap.State, now time.Time) (all []finding) {
	if i.Trouble != "" {
		all = append(all, finding{fmt.Sprintf("image %s cannot be replaced as it should:\n%s", i.Image, i.Trouble), "repair that; the version that serves goes on"})
	}
	r := i.Last
	if r == nil || now.Sub(r.Began) >= longAgo || r.Outcome != swap.Rejected && r.Outcome != swap.TakenBack {
		return all
	}
	do := fmt.Sprintf("version %s serves on; isapid history %s", shortHash(i.Serving), i.Image)
	if r.Failed != "" {
		do += "; isapid inspect " + r.Failed
	}
	return append(all, finding{fmt.Sprintf("image %s: version %s was %s %s ago:\n%s", i.Image, shortHash(r.To), r.Outcome, span(now.Sub(r.Began)), r.Reason), do})
}

func poolFindings(p *admin.Pool, now time.Time) (all []finding) {
	all = append(stateFindings(p, now), all...)
	if r := p.Rollout; r != nil && r.Failures > 0 {
		all = append(all, finding{fmt.Sprintf("a new generation did not come up (%s in a row): generation %d serves on%s", plurals(r.Failures, "time", "times"), p.Generation, nextTry(r.NextTry, now)),
			"repair the image or the settings, or put the old file back; then isapid recycle " + p.Name})
	}
	for _, m := range p.Images {
		if m.Error != "" {
			all = append(all, finding{fmt.Sprintf("%s cannot be loaded:\n%s", m.Path, m.Error), "isapid inspect " + m.Path})
		}
	}
	for i := range p.Workers {
		if f := workerFinding(&p.Workers[i]); f.what != "" {
			all = append(all, f)
		}
	}
	for _, f := range []finding{deathFinding(p.Deaths, now), faultFinding(p.Deaths, now)} {
		if f.what != "" {
			all = append(all, f)
		}
	}
	return all
}

func stateFindings(p *admin.Pool, now time.Time) (all []finding) {
	switch p.State {
	case pool.StateDegraded:
		retry := "; one is tried now"
		if p.NextRetry != nil {
			retry = "; one is tried " + until(*p.NextRetry, now)
		}
		left := "its requests get 503"
		if served(p) {
			left = "what is left of it serves"
		}
		all = append(all, finding{fmt.Sprintf("degraded, %s: %s died within crashes.window%s", left, plurals(p.Crashes, "worker", "workers"), retry),
			"see how they ended, repair that; then isapid recycle " + p.Name})
	case pool.StateStopped:
		all = append(all, finding{"stopped: its requests get 503", "isapid start " + p.Name})
	case pool.StateStarting:
		if p.NextStart != nil {
			all = append(all, finding{"no worker is ready, because they die before they answer; the next start is " + until(*p.NextStart, now), "see how they ended"})
		}
	case pool.StateRunning, pool.StateEmpty, pool.StateIdle, pool.StateDraining:
	}
	if p.Waiting > 0 {
		do := ""
		if p.State == pool.StateRunning {
			do = "more threads or workers for this pool, if it stays so"
		}
		all = append(all, finding{fmt.Sprintf("%s for a worker", plurals(p.Waiting, "request waits", "requests wait")), do})
	}
	return all
}

func workerFinding(w *pool.WorkerStatus) finding {
	stacks := fmt.Sprintf("gdb -p %d -batch -ex 'thread apply all backtrace'", w.Pid)
	oldest := fmt.Sprintf("%s, inside for %s", w.Oldest, span(time.Duration(w.OldestAge)))
	switch {
	case w.State == "orphan":
		return finding{fmt.Sprintf("worker %s has failed and is kept for a debugger: %s", w.Name, w.Reason), fmt.Sprintf("gdb -p %d; then kill -9 %d", w.Pid, w.Pid)}
	case w.State == "failed":
		return finding{fmt.Sprintf("worker %s has failed and is being killed: %s", w.Name, w.Reason), ""}
	case w.State == "starting" && time.Duration(w.Age) >= longStart:
		return finding{fmt.Sprintf("worker %s has been starting for %s", w.Name, span(time.Duration(w.Age))), "what does GetExtensionVersion wait for? " + stacks}
	case w.State == "retiring" && w.InFlight > 0 && time.Duration(w.OldestAge) >= longDrain:
		return finding{fmt.Sprintf("worker %s waits for its last %s: %s", w.Name, strings.TrimPrefix(plural(w.InFlight, "request"), "1 "), oldest), fmt.Sprintf("wait; or kill -9 %d, then what is inside is lost", w.Pid)}
	case w.State == "ready" && time.Duration(w.OldestAge) >= longRequest:
		return finding{fmt.Sprintf("worker %s has a long request: %s", w.Name, oldest), "what does it wait for? " + stacks}
	}
	return finding{}
}

// deathFinding is about the workers that died lately, the last one above all.
func deathFinding(deaths []pool.Death, now time.Time) finding {
	last, n := lately(deaths, now, func(d *pool.Death) bool { return !d.Expected })
	if last == nil {
		return finding{}
	}
	how := last.How
	if last.Reason != "" {
		how += ", " + last.Reason
	}
	return finding{fmt.Sprintf("%s died within the last hour, the last one %s ago: %s", plurals(n, "worker", "workers"), span(now.Sub(last.At)), how),
		fmt.Sprintf("its last lines are above; coredumpctl gdb %d; journalctl -k, for want of memory", last.Pid)}
}

// faultFinding is about the workers that had to be replaced lately because an image had crashed in them.
func faultFinding(deaths []pool.Death, now time.Time) finding {
	last, n := lately(deaths, now, func(d *pool.Death) bool { return d.Expected && strings.HasPrefix(d.Reason, pool.FaultReason) })
	if last == nil {
		return finding{}
	}
	return finding{fmt.Sprintf("%s replaced within the last hour after a fault that was contained, the last one %s ago: %s", plurals(n, "worker was", "workers were"), span(now.Sub(last.At)), last.Reason),
		strings.TrimSpace("isapid crashes " + last.Obituary)}
}

// lately counts the deaths of the last hour that are such, and finds the last one; nil: there is none.
func lately(deaths []pool.Death, now time.Time, such func(*pool.Death) bool) (last *pool.Death, n int) {
	for i := range deaths {
		if d := &deaths[i]; such(d) && now.Sub(d.At) < longAgo {
			last = d
			n++
		}
	}
	return last, n
}
