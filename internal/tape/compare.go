package tape

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Calls says how the calls of images are compared.
type Calls string

// The ways to compare calls.
const (
	CallsOff   Calls = "off"
	CallsNames Calls = "names" // which, in which order, and what came of them
	CallsFull  Calls = "full"  // and their arguments, but for addresses
)

// Rules say what counts as a difference.
type Rules struct {
	Calls     Calls
	Ignore    []string // names of header lines of responses, in any case, besides those that always differ
	Normalize []Normal // applied to both sides, one after the other, before they are compared
}

// Normal replaces what a pattern finds.
type Normal struct {
	Pattern *regexp.Regexp
	Text    string // may have $1 and the like
}

// ParseNormal reads PATTERN=TEXT; the last "=" divides them.
func ParseNormal(s string) (Normal, error) {
	i := strings.LastIndexByte(s, '=')
	if i < 1 {
		return Normal{}, fmt.Errorf("%q is not of the form PATTERN=TEXT", s)
	}
	p, err := regexp.Compile(s[:i])
	if err != nil {
		return Normal{}, fmt.Errorf("%q: %w", s, err)
	}
	return Normal{p, s[i+1:]}, nil
}

// What differs.
const (
	WhatStatus = "status"
	WhatBroken = "completeness"
	WhatHeader = "header"
	WhatBody   = "body"
	WhatCalls  = "calls"
)

// Difference is one thing in which a response, or the calls for it, differ from what was recorded.
type Difference struct {
	What     string `json:"what"`               // status, completeness, header, body, calls
	Name     string `json:"name,omitempty"`     // of a header line
	Offset   *int   `json:"offset,omitempty"`   // of the first byte of the body that differs
	Call     int    `json:"call,omitempty"`     // number of the first call that differs, from 1; a run of ReadClient counts as one
	Recorded string `json:"recorded"`           // "" with Absent: it was not there
	Now      string `json:"now"`                // likewise
	Absent   string `json:"absent,omitempty"`   // "recorded" or "now": the side on which it is not there at all
	Sizes    string `json:"sizes,omitempty"`    // of bodies: "12 and 13 bytes"
	Argument string `json:"argument,omitempty"` // of a call, if only one of them differs
}

// always are header lines that belong to the moment or the connection.
var always = []string{"Date", "Connection", "Keep-Alive", "Transfer-Encoding"}

// Compare says how a request was answered in another way than it was recorded.
func (rules *Rules) Compare(recorded, now *Entry) (list []Difference) {
	a, b := &recorded.Response, &now.Response
	if a.Status != b.Status {
		list = append(list, Difference{What: WhatStatus, Recorded: statusText(a.Status), Now: statusText(b.Status)})
	}
	if a.Broken != b.Broken {
		list = append(list, Difference{What: WhatBroken, Recorded: completeness(a.Broken), Now: completeness(b.Broken)})
	}
	list = append(list, rules.headers(a.Header, b.Header)...)
	if d := rules.bodies(a.Body, b.Body); d != nil {
		list = append(list, *d)
	}
	if rules.Calls != CallsOff && recorded.Lost == 0 && now.Lost == 0 {
		if d := rules.calls(recorded.Calls, now.Calls); d != nil {
			list = append(list, *d)
		}
	}
	return list
}

func statusText(status int) string {
	if status == 0 {
		return "none"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

func completeness(broken bool) string {
	if broken {
		return "it broke off"
	}
	return "it was complete"
}

func (rules *Rules) normal(s string) string {
	for _, n := range rules.Normalize {
		s = n.Pattern.ReplaceAllString(s, n.Text)
	}
	return s
}

// headers compares the lines of headers, by name: the order counts only among lines of one name.
func (rules *Rules) headers(a, b Fields) (list []Difference) {
	hidden := hiddenIn(a, b)
	was, is := rules.byName(a, hidden), rules.byName(b, hidden)
	var names []string
	for _, lines := range []map[string][]string{was, is} {
		for name := range lines {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for i := range max(len(was[name]), len(is[name])) {
			d := Difference{What: WhatHeader, Name: name}
			switch {
			case i >= len(was[name]):
				d.Absent, d.Now = "recorded", is[name][i]
			case i >= len(is[name]):
				d.Absent, d.Recorded = "now", was[name][i]
			case was[name][i] == is[name][i]:
				continue
			default:
				d.Recorded, d.Now = was[name][i], is[name][i]
			}
			list = append(list, d)
		}
	}
	return list
}

// hiddenIn are the names of lines that have a secret which was replaced, on any side.
func hiddenIn(sides ...Fields) (names []string) {
	for _, list := range sides {
		for _, f := range list {
			if f[1] == Hidden {
				names = append(names, http.CanonicalHeaderKey(f[0]))
			}
		}
	}
	return names
}

// byName are the values of lines that count, normalized.
func (rules *Rules) byName(list Fields, hidden []string) map[string][]string {
	m := map[string][]string{}
	for _, f := range list {
		name := http.CanonicalHeaderKey(f[0])
		same := func(s string) bool { return strings.EqualFold(s, name) }
		if !slices.ContainsFunc(always, same) && !slices.ContainsFunc(rules.Ignore, same) && !slices.Contains(hidden, name) {
			m[name] = append(m[name], rules.normal(f[1]))
		}
	}
	return m
}

// around is how much of a body is shown around the first byte that differs.
const around = 32

func (rules *Rules) bodies(a, b []byte) *Difference {
	if bytes.Equal(a, b) {
		return nil
	}
	if len(rules.Normalize) > 0 {
		a, b = []byte(rules.normal(string(a))), []byte(rules.normal(string(b)))
		if bytes.Equal(a, b) {
			return nil
		}
	}
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	return &Difference{
		What: WhatBody, Offset: &at, Recorded: excerpt(a, at), Now: excerpt(b, at), Sizes: fmt.Sprintf("%d and %d bytes", len(a), len(b)),
	}
}

// excerpt is what stands around a place, beginning at a whole character.
func excerpt(p []byte, at int) string {
	from, to := max(0, min(at, len(p))-around), min(len(p), at+around)
	for from < at && from > 0 && from < len(p) && !utf8.RuneStart(p[from]) {
		from++
	}
	text := string(p[from:to])
	if from > 0 {
		text = "…" + text
	}
	if to < len(p) {
		text += "…"
	}
	return text
}

// calls finds the first call that differs.
func (rules *Rules) calls(a, b []Call) *Difference {
	a, b = folded(a), folded(b)
	for i := range max(len(a), len(b)) {
		d := Difference{What: WhatCalls, Call: i + 1}
		switch {
		case i >= len(a):
			d.Absent, d.Now = "recorded", b[i].text(rules.Calls)
			return &d
		case i >= len(b):
			d.Absent, d.Recorded = "now", a[i].text(rules.Calls)
			return &d
		case a[i].of() != b[i].of() || a[i].Depth != b[i].Depth || a[i].Result != b[i].Result || a[i].Error != b[i].Error || a[i].Open != b[i].Open:
			d.Recorded, d.Now = a[i].text(rules.Calls), b[i].text(rules.Calls)
			return &d
		}
		if arg, differs := rules.arguments(&a[i], &b[i]); differs {
			d.Recorded, d.Now, d.Argument = a[i].text(rules.Calls), b[i].text(rules.Calls), arg
			return &d
		}
	}
	return nil
}

// folded is a sequence with one call for each run of ReadClient: how many there are, and how much each gets, is up to the network.
func folded(list []Call) (made []Call) {
	for i := range list {
		c := list[i]
		if c.Name == "ReadClient" && c.Result != 0 && c.Error == 0 && !c.Open {
			c.Args = nil
			if n := len(made); n > 0 && made[n-1].Name == c.Name && made[n-1].Result == c.Result && made[n-1].Depth == c.Depth {
				continue
			}
		}
		made = append(made, c)
	}
	return made
}

// arguments says which argument of two calls differs first.
func (rules *Rules) arguments(a, b *Call) (name string, differs bool) {
	if rules.Calls != CallsFull {
		return "", false
	}
	if len(a.Args) != len(b.Args) {
		return "", true
	}
	for i := range a.Args {
		x, y := &a.Args[i], &b.Args[i]
		switch {
		case x.Name != y.Name:
			return y.Name, true
		case x.address() && y.address(), x.Text == y.Text:
		case rules.normal(x.Text) != rules.normal(y.Text):
			return x.Name, true
		}
	}
	return "", false
}

// of is the name of a call, and of what it asks for: a server variable, a line of a header.
func (c *Call) of() string {
	for i := range c.Args {
		if a := &c.Args[i]; a.Name == "name" && !a.Out {
			return c.Name + " " + a.Text
		}
	}
	return c.Name
}

// address says whether an argument is one, most likely: it means something only in its process.
func (a *Arg) address() bool { return a.Hex && len(a.Text) > len("4294967295") }

// text is a call as people read it.
func (c *Call) text(how Calls) string {
	var b strings.Builder
	if how != CallsFull {
		b.WriteString(c.of())
	} else {
		b.WriteString(c.Name + "(")
		for i := range c.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			a := &c.Args[i]
			b.WriteString(a.Name + "=")
			if a.address() {
				b.WriteString("address")
				continue
			}
			b.WriteString(a.Text)
		}
		b.WriteByte(')')
	}
	if c.Open {
		return b.String() + " did not return"
	}
	fmt.Fprintf(&b, " = %d", c.Result)
	if c.Error != 0 {
		fmt.Fprintf(&b, " error %d", c.Error)
	}
	return b.String()
}
