package obituary

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Print writes the text for people. Nothing in it can do anything to a terminal.
func (r *Report) Print(out io.Writer) error {
	var b strings.Builder
	p := printer{&b}
	r.head(p)
	r.crash(p)
	r.requests(p)
	r.calls(p)
	p.lines("last output", r.Output)
	p.lines("last lines in the log", r.Log)
	p.lines("what was done", r.Done)
	_, err := io.WriteString(out, b.String())
	return err
}

// printer writes lines: a name, and what it is.
type printer struct{ *strings.Builder }

func (p printer) line(name, format string, args ...any) {
	fmt.Fprintf(p, "  %-14s %s\n", name, harmless(fmt.Sprintf(format, args...)))
}

func (p printer) lines(title string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(p, "\n%s\n", title)
	for _, l := range list {
		fmt.Fprintf(p, "  %s\n", harmless(l))
	}
}

func (r *Report) head(p printer) {
	switch {
	case r.Kind == Fault && r.Worker == "":
		fmt.Fprintf(p, "fault in the server's process: %s\n", harmless(r.How))
	case r.Kind == Fault:
		fmt.Fprintf(p, "fault in worker %s: %s\n", harmless(r.Worker), harmless(r.How))
	default:
		fmt.Fprintf(p, "worker %s died: %s\n", harmless(r.Worker), harmless(r.How))
	}
	p.line("id", "%s", r.ID)
	p.line("when", "%s", r.At.Format(time.RFC3339Nano))
	if r.Reason != "" {
		p.line("reason", "%s", r.Reason)
	}
	if r.Pool != "" {
		p.line("pool", "%s, generation %d", r.Pool, r.Generation)
	}
	if r.Pid != 0 {
		p.line("process", "pid %d, %v old", r.Pid, short(r.Age))
	}
	if m := r.Memory; m != nil {
		p.line("memory", "%s", m.text())
	}
	if r.Kind == Death {
		p.line("requests", "%d served, %d lost", r.Served, r.Lost)
	}
	for _, i := range r.Images {
		sum := ""
		if i.SHA256 != "" {
			sum = ", version " + i.SHA256[:min(12, len(i.SHA256))]
		}
		p.line("image", "%s%s", i.Path, sum)
	}
	if r.Server != "" {
		p.line("server", "%s", r.Server)
	}
	if r.Unwritten > 0 {
		p.line("note", "%d deaths shortly before this one have no obituary: there were too many", r.Unwritten)
	}
}

func (m *Memory) text() string {
	var list []string
	add := func(n int64, what string) {
		if n > 0 {
			list = append(list, fmt.Sprintf("%.1f MiB %s", float64(n)/(1<<20), what))
		}
	}
	add(m.Resident, "resident")
	add(m.Private, "private")
	add(m.Most, "at most")
	return cmp.Or(strings.Join(list, ", "), "not known")
}

func (r *Report) crash(p printer) {
	c := r.Crash
	if c == nil {
		return
	}
	fmt.Fprint(p, "\nfault\n")
	p.line("what", "%s", c.Text)
	if c.Signal != "" {
		p.line("signal", "%s", strings.Join(present(c.Signal, c.Meaning, prefixed("address ", c.Addr)), ", "))
	}
	if c.Image != "" {
		p.line("image", "%s+%s", c.Image, cmp.Or(c.Offset, "0x0"))
	}
	if c.Symbol != "" {
		p.line("symbol", "%s", c.Symbol)
	}
	if c.Call != "" {
		p.line("inside", "%s", c.Call)
	}
	if len(c.Stack) == 0 {
		return
	}
	fmt.Fprint(p, "\nnative stack\n")
	for i, f := range c.Stack {
		fmt.Fprintf(p, "  #%-2d %s\n", i, harmless(f.String()))
	}
}

func (r *Report) requests(p printer) {
	if r.Hand != nil {
		fmt.Fprintf(p, "\nthe request in hand\n  %s\n", r.Hand.text())
	}
	if len(r.Hung) > 0 {
		fmt.Fprint(p, "\nrequests that hung: answered for the worker after request_timeout\n")
		for i := range r.Hung {
			fmt.Fprintf(p, "  %s\n", r.Hung[i].text())
		}
	}
	if len(r.InFlight) == 0 {
		return
	}
	fmt.Fprint(p, "\nrequests inside\n")
	for i := range r.InFlight {
		fmt.Fprintf(p, "  %s\n", r.InFlight[i].text())
	}
	if r.More > 0 {
		fmt.Fprintf(p, "  … and %d more\n", r.More)
	}
}

func (q *Request) text() string {
	list := present(prefixed("for ", short(q.Age)), prefixed("from ", q.Client), prefixed("in ", base(q.Image)), prefixed("request ", q.ID))
	return harmless(q.Method + " " + q.URL + " (" + strings.Join(list, ", ") + ")")
}

func (r *Report) calls(p printer) {
	for _, t := range r.Threads {
		fmt.Fprintf(p, "\nlast calls of thread %d\n", t.ID)
		for _, c := range t.Last {
			fmt.Fprintf(p, "  %s\n", c.text())
		}
		for _, c := range t.Open {
			fmt.Fprintf(p, "  inside %s\n", c.text())
		}
	}
}

func (c *Call) text() string {
	end := ""
	switch {
	case c.Faulted:
		end = "it faulted"
	case c.Running:
		end = "it had not returned"
	case c.Error != 0:
		end = fmt.Sprintf("error %d", c.Error)
	}
	return harmless(c.Name + " (" + strings.Join(present(prefixed("request ", c.Request), short(c.Ago)+" ago", end), ", ") + ")")
}

// present are those of some texts that are not empty.
func present(list ...string) (there []string) {
	for _, s := range list {
		if s != "" {
			there = append(there, s)
		}
	}
	return there
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func base(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Base(path)
}

func short(d Seconds) string { return time.Duration(d).Round(time.Millisecond).String() }

// harmless is a text with everything quoted that a terminal could take for more than text.
func harmless(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c == '\t' || strconv.IsPrint(c) && c != '\uFFFD' {
			b.WriteRune(c)
			continue
		}
		q := strconv.QuoteRuneToASCII(c)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// String is the frame as it stands in a stack.
func (f *Frame) String() string {
	text := cmp.Or(f.Symbol, f.PC)
	if f.Line != "" {
		text += " at " + f.Line
	}
	if f.Image != "" {
		text += " in " + filepath.Base(f.Image) + "+" + cmp.Or(f.Offset, "0x0")
	}
	return text
}
