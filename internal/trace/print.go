package trace

import (
	"io"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/isapid/isapid/internal/isapi"
)

// Printer shows events as text, a line for each, those of a request inside of each other. All that images and clients have said is quoted as
// in Go, so that nothing of it can do anything to a terminal. It is for one goroutine.
type Printer struct {
	w     io.Writer
	color bool
	line  []byte
	known map[place]*nesting
	order []place // of known, the oldest first
}

// place is a request, or what else has a recorder, in a process.
type place struct {
	pid     int
	request uint64
}

// nesting is how deep the calls are that have not returned.
type nesting struct {
	shown bool // the line that says which request it is
	depth map[uint32]int
}

const (
	mostPlaces = 4096 // requests that are remembered
	mostDepth  = 32
)

// NewPrinter writes to w, with the colours of a terminal if color is set.
func NewPrinter(w io.Writer, color bool) *Printer {
	return &Printer{w: w, color: color, known: map[place]*nesting{}}
}

const (
	plainColor  = "\x1b[0m"
	dimColor    = "\x1b[2m"
	nameColor   = "\x1b[36m"
	exportColor = "\x1b[1;32m"
	failColor   = "\x1b[1;31m"
	aboutColor  = "\x1b[1m"
)

// Print shows an event; o and a are what is known of where it comes from and of its request. An error is that of the writer.
func (p *Printer) Print(e *Event, o Origin, a About) error {
	n := p.nesting(place{o.Pid, e.Request})
	p.line = p.line[:0]
	if e.Request != 0 && !n.shown {
		n.shown = true
		p.about(e, &o, &a)
	}
	depth := n.place(e)
	p.paint(dimColor)
	p.prefix(e)
	p.paint(plainColor)
	for range depth {
		p.line = append(p.line, "  "...)
	}
	p.call(e, &o)
	p.line = append(p.line, '\n')
	_, err := p.w.Write(p.line)
	return err
}

func (p *Printer) nesting(at place) *nesting {
	if n := p.known[at]; n != nil {
		return n
	}
	if len(p.order) == mostPlaces {
		delete(p.known, p.order[0])
		p.order = slices.Delete(p.order, 0, 1)
	}
	n := &nesting{depth: map[uint32]int{}}
	p.known[at] = n
	p.order = append(p.order, at)
	return n
}

// place is how deep an event is, and remembers that.
func (n *nesting) place(e *Event) int {
	depth := 0
	if d, ok := n.depth[e.Parent]; ok && e.Parent != 0 {
		depth = min(d+1, mostDepth)
	}
	switch e.Kind {
	case Enter:
		if len(n.depth) > 2*mostNested { // somebody lies, or much was dropped
			clear(n.depth)
		}
		n.depth[e.Span] = depth
	case Leave:
		if d, ok := n.depth[e.Span]; ok {
			depth = d
		}
		delete(n.depth, e.Span)
	default:
	}
	return depth
}

func (p *Printer) paint(color string) {
	if p.color {
		p.line = append(p.line, color...)
	}
}

func (p *Printer) prefix(e *Event) {
	at := e.At
	if e.Kind == Leave {
		at = at.Add(e.Took)
	}
	p.line = at.Local().AppendFormat(p.line, "15:04:05.000000 ")
	if e.Request == 0 {
		p.line = append(p.line, "-             "...)
	} else {
		p.line = append(append(p.line, FormatID(e.Request)...), ' ')
	}
	thread := len(p.line)
	p.line = strconv.AppendInt(p.line, int64(e.Thread), 10)
	for len(p.line) < thread+8 {
		p.line = append(p.line, ' ')
	}
}

// about is the line in front of the first event of a request.
func (p *Printer) about(e *Event, o *Origin, a *About) {
	p.paint(dimColor)
	p.prefix(e)
	p.paint(plainColor)
	p.paint(aboutColor)
	p.say(a.Method)
	p.line = append(p.line, ' ')
	p.say(a.URL)
	for _, one := range [...]struct{ what, is string }{{" from ", a.Client}, {", site ", a.Site}, {", application ", a.App}, {", pool ", o.Pool}, {", worker ", o.Worker}} {
		if one.is != "" {
			p.line = append(p.line, one.what...)
			p.say(one.is)
		}
	}
	if o.Pid != 0 {
		p.line = append(p.line, ", process "...)
		p.line = strconv.AppendInt(p.line, int64(o.Pid), 10)
	}
	p.paint(plainColor)
	p.line = append(p.line, '\n')
}

// say is text that is quoted if it is not a plain word.
func (p *Printer) say(s string) {
	if s != "" && plainWord(s) {
		p.line = append(p.line, s...)
		return
	}
	p.line = strconv.AppendQuote(p.line, s)
}

func plainWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (p *Printer) call(e *Event, o *Origin) {
	failed := e.Failed()
	if e.Kind == Leave {
		p.line = append(p.line, "} "...)
	}
	switch {
	case e.Func.export():
		p.paint(exportColor)
		if o.Image != "" && e.Kind != Leave {
			p.say(path.Base(o.Image))
			if o.Generation != 0 {
				p.line = append(p.line, '@')
				p.line = strconv.AppendInt(p.line, int64(o.Generation), 10)
			}
			p.line = append(p.line, ':')
		}
	default:
		p.paint(nameColor)
	}
	name, event := Name(e.Func, e.Code), ""
	if e.Func == HttpFilterProc {
		name, event = e.Func.String(), isapi.Notification(e.Code).String()
	}
	p.line = append(p.line, name...)
	p.paint(plainColor)
	if e.Kind != Leave {
		p.line = append(append(p.line, '('), event...)
		if event != "" && len(e.Args) > 0 {
			p.line = append(p.line, ", "...)
		}
		p.args(e, false, ", ")
		if !e.told() {
			p.body(e)
		}
		p.line = append(p.line, ')')
	}
	if e.Kind == Enter {
		p.line = append(p.line, " {"...)
		return
	}
	r := e.ResultName()
	if r != "" || e.Err != 0 || failed {
		p.line = append(p.line, " ="...)
	}
	if failed {
		p.paint(failColor)
	}
	if r != "" {
		p.line = append(append(p.line, ' '), r...)
	}
	if e.Err != 0 {
		p.line = append(append(p.line, ' '), isapi.Error(e.Err).Error()...)
	}
	p.paint(plainColor)
	at := len(p.line)
	p.line = append(p.line, ' ')
	p.args(e, true, " ")
	if e.told() {
		p.body(e)
	}
	if len(p.line) == at+1 {
		p.line = p.line[:at]
	}
	p.paint(dimColor)
	p.line = append(append(append(p.line, " <"...), Took(e.Took)...), '>')
	p.paint(plainColor)
}

// told tells whether the body is what the function gave.
func (e *Event) told() bool { return e.Func == ReadClient || e.Kind == Leave }

func (p *Printer) args(e *Event, out bool, between string) {
	first := true
	for i := range e.Args {
		a := &e.Args[i]
		if a.Out != out {
			continue
		}
		if !first {
			p.line = append(p.line, between...)
		}
		first = false
		if a.Name != "name" {
			p.say(a.Name)
			p.line = append(p.line, '=')
		}
		switch {
		case !a.IsText && a.Hex:
			p.line = strconv.AppendUint(append(p.line, "0x"...), uint64(a.Num), 16)
		case !a.IsText:
			p.line = strconv.AppendInt(p.line, a.Num, 10)
		case a.Word:
			p.say(a.Text)
		default:
			p.line = strconv.AppendQuote(p.line, a.Text)
		}
		if a.Cut {
			p.line = append(p.line, "..."...)
		}
	}
}

func (p *Printer) body(e *Event) {
	if len(e.Body) == 0 {
		return
	}
	if c := p.line[len(p.line)-1]; c != '(' && c != ' ' {
		p.line = append(p.line, ", "...)
	}
	p.line = append(p.line, "body="...)
	p.line = strconv.AppendQuote(p.line, string(e.Body))
	if int64(len(e.Body)) < e.BodySize && !e.Masked {
		p.line = append(p.line, "..."...)
	}
}

// Dropped says in the same place that events are missing.
func (p *Printer) Dropped(n uint64) error {
	p.line = p.line[:0]
	p.paint(failColor)
	p.line = append(append(append(p.line, "… "...), strconv.FormatUint(n, 10)...), " events dropped"...)
	p.paint(plainColor)
	_, err := p.w.Write(append(p.line, '\n'))
	return err
}

// Took is a duration with as many digits as mean something: "950ns", "12.3µs", "1.25ms".
func Took(d time.Duration) string {
	switch {
	case d >= time.Second:
		d = d.Round(time.Millisecond)
	case d >= time.Millisecond:
		d = d.Round(10 * time.Microsecond)
	case d >= time.Microsecond:
		d = d.Round(100 * time.Nanosecond)
	}
	return d.String()
}
