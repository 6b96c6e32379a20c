package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/uniseg"

	"github.com/isapid/isapid/internal/admin"
	"github.com/isapid/isapid/internal/pool"
)

// top is the live view of a server: what it shows, and how. It is used by one goroutine.
type top struct {
	every  time.Duration
	views  [3]listing
	shown  int // of views
	paused bool

	now, before looked // before: the look before this one, for what is told by the second
	err         error  // of the last look
}

// listing is one of the views.
type listing struct {
	name    string
	columns []column
	rows    [][]cell
	sort    int // column
	up      bool
	first   int // row that is shown on top
}

type column struct {
	title string
	right bool // numbers
}

type cell struct {
	text string
	by   float64 // what it is sorted by; of text: 0
}

func newTop(every time.Duration) *top {
	text := func(title string) column { return column{title, false} }
	number := func(title string) column { return column{title, true} }
	return &top{every: every, views: [3]listing{
		{name: "pools", up: true, columns: []column{text("POOL"), text("STATE"), number("GEN"), number("WORKERS"), number("REQ/S"), number("INSIDE"), number("WAITING"), number("CRASHES"), number("CPU%"), number("MEMORY"), text("PLATFORM")}},
		{name: "workers", up: true, columns: []column{text("WORKER"), number("PID"), text("STATE"), number("GEN"), number("AGE"), number("REQ/S"), number("INSIDE"), number("CPU%"), number("THR"), number("MEMORY"), text("OLDEST")}},
		{name: "requests", columns: []column{number("AGE"), text("STAGE"), text("CLIENT"), text("WHERE"), text("INSIDE"), text("REQUEST")}},
	}}
}

// look takes what was found. A look that has failed leaves what was there.
func (t *top) look(l *looked) {
	t.err = l.err
	if l.err != nil || t.paused {
		return
	}
	t.before, t.now = t.now, *l
	t.views[0].rows = t.pools()
	t.views[1].rows = t.workers()
	t.views[2].rows = t.requests()
	for i := range t.views {
		t.views[i].order()
	}
}

// order sorts the rows; equal ones stay as the server has told them.
func (v *listing) order() {
	slices.SortStableFunc(v.rows, func(a, b []cell) int {
		x, y := a[v.sort], b[v.sort]
		c := cmp.Compare(x.by, y.by)
		if c == 0 && !v.columns[v.sort].right {
			c = strings.Compare(x.text, y.text)
		}
		if !v.up {
			c = -c
		}
		return c
	})
}

// rate is what was added since the look before, a second.
func (t *top) rate(now, before float64) float64 {
	since := t.now.at.Sub(t.before.at).Seconds()
	if t.before.at.IsZero() || since <= 0 || now < before {
		return 0
	}
	return (now - before) / since
}

func (t *top) pools() (rows [][]cell) {
	for i := range t.now.status.Pools {
		p := &t.now.status.Pools[i]
		var rate, cpu float64
		var inside, memory int64
		for n := range p.Workers {
			w := &p.Workers[n]
			r, c := t.worker(p, w)
			rate, cpu, inside, memory = rate+r, cpu+c, inside+w.InFlight, memory+w.Resident
		}
		rows = append(rows, []cell{
			textCell(p.Name), textCell(string(p.State)), count(int64(p.Generation)), count(int64(len(p.Workers))), perSecond(rate), count(inside),
			count(int64(p.Waiting)), count(int64(p.Crashes)), perCent(cpu), bytesCell(memory),
			textCell(p.Platform),
		})
	}
	return rows
}

func (t *top) workers() (rows [][]cell) {
	for i := range t.now.status.Pools {
		p := &t.now.status.Pools[i]
		for n := range p.Workers {
			w := &p.Workers[n]
			rate, cpu := t.worker(p, w)
			rows = append(rows, []cell{
				textCell(w.Name), count(int64(w.Pid)), textCell(w.State), count(int64(w.Generation)), age(time.Duration(w.Age)), perSecond(rate), count(w.InFlight),
				perCent(cpu), count(int64(w.Threads)), bytesCell(w.Resident), textCell(w.Oldest),
			})
		}
	}
	return rows
}

// worker is how many requests a worker gets a second, and what part of a processor it takes, in per cent.
func (t *top) worker(p *admin.Pool, w *pool.WorkerStatus) (rate, cpu float64) {
	var last pool.WorkerStatus
	if was := t.before.status.Named(p.Name); len(was) == 1 {
		for _, o := range was[0].Workers {
			if o.Worker == w.Worker && o.Pid == w.Pid {
				last = o
			}
		}
	}
	if last.Pid == 0 {
		return 0, 0
	}
	return t.rate(float64(w.Served), float64(last.Served)), 100 * t.rate(time.Duration(w.CPU).Seconds(), time.Duration(last.CPU).Seconds())
}

func (t *top) requests() (rows [][]cell) {
	for i := range t.now.status.InFlight {
		r := &t.now.status.InFlight[i]
		inside := "-"
		if n := len(r.Inside); n > 0 {
			inside = r.Inside[n-1].Call + " " + lapse(time.Duration(r.Inside[n-1].Age))
		}
		rows = append(rows, []cell{
			age(time.Duration(r.Age)), textCell(r.Stage), textCell(cmp.Or(r.Client, "-")), textCell(placeOf(r)), textCell(inside), textCell(r.Method + " " + r.URL),
		})
	}
	return rows
}

func textCell(s string) cell { return cell{text: harmless(s)} }
func count(n int64) cell     { return cell{fmt.Sprint(n), float64(n)} }
func perSecond(f float64) cell {
	return cell{fmt.Sprintf("%.1f", f), f}
}
func perCent(f float64) cell           { return cell{fmt.Sprintf("%.0f", f), f} }
func age(d time.Duration) cell         { return cell{lapse(d), d.Seconds()} }
func bytesCell(n int64) cell           { return cell{mebibytes(n), float64(n)} }
func (t *top) current() *listing       { return &t.views[t.shown] }
func (v *listing) room(height int) int { return max(height-5, 1) } // rows of the table on a screen

// key does what a key says; true: it is the end.
func (t *top) key(ev *tcell.EventKey, height int) (end bool) {
	v := t.current()
	page := v.room(height)
	switch ev.Key() {
	case tcell.KeyCtrlC, tcell.KeyEscape:
		return true
	case tcell.KeyTab:
		t.shown = (t.shown + 1) % len(t.views)
	case tcell.KeyUp:
		v.first--
	case tcell.KeyDown:
		v.first++
	case tcell.KeyPgUp:
		v.first -= page
	case tcell.KeyPgDn:
		v.first += page
	case tcell.KeyHome:
		v.first = 0
	case tcell.KeyEnd:
		v.first = len(v.rows)
	case tcell.KeyRune:
		switch r := ev.Rune(); r {
		case 'q':
			return true
		case '1', '2', '3':
			t.shown = int(r - '1')
		case '<', '>':
			step := 1
			if r == '<' {
				step = len(v.columns) - 1
			}
			v.sort = (v.sort + step) % len(v.columns)
			v.order()
		case 'r':
			v.up = !v.up
			v.order()
		case 'p':
			t.paused = !t.paused
		}
	default:
	}
	v.first = max(0, min(v.first, len(v.rows)-page))
	return false
}

var (
	plainStyle = tcell.StyleDefault
	headStyle  = tcell.StyleDefault.Reverse(true)
	boldStyle  = tcell.StyleDefault.Bold(true)
	badStyle   = tcell.StyleDefault.Foreground(tcell.ColorMaroon).Bold(true)
)

// draw shows all of it.
func (t *top) draw(s tcell.Screen) {
	width, height := s.Size()
	s.Clear()
	put(s, 0, width, plainStyle, t.summary())
	switch {
	case t.err != nil:
		text, _, _ := strings.Cut(t.err.Error(), "\n")
		put(s, 1, width, badStyle, harmless(text))
	case t.paused:
		put(s, 1, width, boldStyle, "paused: p goes on")
	default:
		put(s, 1, width, plainStyle, t.second())
	}
	v := t.current()
	room := v.room(height)
	rows := v.rows[min(v.first, len(v.rows)):]
	rows = rows[:min(room, len(rows))]
	widths := v.widths(rows, width)
	put(s, 3, width, headStyle, pad(v.line(v.titles(), widths), width))
	for i, row := range rows {
		put(s, 4+i, width, plainStyle, v.line(row, widths))
	}
	if len(v.rows) == 0 {
		put(s, 4, width, plainStyle, "no "+v.name)
	}
	put(s, height-1, width, boldStyle, t.footer(len(rows)))
	s.Show()
}

func (t *top) summary() string {
	s := &t.now.status
	return fmt.Sprintf("isapid %s %s %s, pid %d   %.1f requests/s, %d running, %d answered", harmless(s.Version), s.State, span(time.Duration(s.Uptime)), s.Pid,
		t.rate(float64(s.Requests.Served), float64(t.before.status.Requests.Served)), s.Requests.Running, s.Requests.Served)
}

func (t *top) second() string {
	s := &t.now.status
	cpu := 100 * t.rate(time.Duration(s.Process.CPU).Seconds(), time.Duration(t.before.status.Process.CPU).Seconds())
	wrong := len(findings(s, t.now.at))
	says := "nothing is wrong"
	if wrong > 0 {
		says = fmt.Sprintf("%s wrong: isapid status", plurals(wrong, "thing is", "things are"))
	}
	return fmt.Sprintf("server %.0f%% CPU, %s, %s   %s", cpu, mebibytes(s.Process.Resident), plural(int64(s.Process.Threads), "thread"), says)
}

func (t *top) footer(shown int) string {
	var names []string
	for i := range t.views {
		name := fmt.Sprintf("%d %s", i+1, t.views[i].name)
		if i == t.shown {
			name = "[" + name + "]"
		}
		names = append(names, name)
	}
	v := t.current()
	from := min(v.first+1, len(v.rows))
	return fmt.Sprintf("%s  %d-%d of %d  < > r sort  p pause  q quit", strings.Join(names, " "), from, v.first+shown, len(v.rows))
}

// titles are the names of the columns; the one that is sorted by has an arrow.
func (v *listing) titles() (row []cell) {
	for i, c := range v.columns {
		title := c.title
		switch {
		case i == v.sort && v.up:
			title += "^"
		case i == v.sort:
			title += "v"
		}
		row = append(row, cell{text: title})
	}
	return row
}

// widths are those of the columns on a screen: as they need it, and if that is too much, less for the widest.
func (v *listing) widths(rows [][]cell, width int) []int {
	widths := make([]int, len(v.columns))
	for _, row := range append([][]cell{v.titles()}, rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], uniseg.StringWidth(c.text))
		}
	}
	for {
		total, widest := len(widths)-1, 0
		for i, w := range widths {
			total += w
			if w > widths[widest] {
				widest = i
			}
		}
		if total <= width || widths[widest] <= 1 {
			return widths
		}
		widths[widest]--
	}
}

// line is a row as text.
func (v *listing) line(row []cell, widths []int) string {
	var parts []string
	for i, c := range row {
		text := clip(c.text, widths[i])
		if v.columns[i].right {
			text = strings.Repeat(" ", widths[i]-uniseg.StringWidth(text)) + text
		} else {
			text = pad(text, widths[i])
		}
		parts = append(parts, text)
	}
	return strings.TrimRight(strings.Join(parts, " "), " ")
}

// clip is as much of text as has room.
func clip(text string, width int) string {
	if uniseg.StringWidth(text) <= width {
		return text
	}
	var b strings.Builder
	used := 0
	for g := uniseg.NewGraphemes(text); g.Next() && used+g.Width() < width; used += g.Width() {
		b.WriteString(g.Str())
	}
	return b.String() + "…"
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-uniseg.StringWidth(text)))
}

// put writes a line of the screen.
func put(s tcell.Screen, y, width int, style tcell.Style, text string) {
	x := 0
	for g := uniseg.NewGraphemes(clip(text, width)); g.Next(); x += g.Width() {
		runes := g.Runes()
		s.SetContent(x, y, runes[0], runes[1:], style)
	}
}
