// Package tracetest listens to the calls of images in tests.
package tracetest

import (
	"bytes"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/trace"
)

// Listener keeps what it gets. It is a [trace.Sink] and safe for concurrent use.
type Listener struct {
	t  testing.TB
	mu sync.Mutex
	b  []byte // guarded by mu
}

// New has somebody listen at a tap until the end of the test.
func New(t testing.TB, f trace.Filter) (*trace.Tap, *Listener) {
	t.Helper()
	tap, l := &trace.Tap{}, &Listener{t: t}
	if err := tap.Set([]trace.Subscription{{ID: 1, Filter: f}}, l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tap.Set(nil, nil) })
	return tap, l
}

// Batch implements [trace.Sink].
func (l *Listener) Batch(_ uint32, p []byte, events, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	if n, err := trace.Scan(p, func(uint64, uint64) {}); n != events || err != nil || dropped != 0 {
		l.t.Errorf("a batch of %d events, %v, dropped %d; want %d", n, err, dropped, events)
	}
}

// Bytes are what it got since it was asked last.
func (l *Listener) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.b
	l.b = nil
	return b
}

// Events are Bytes, decoded.
func (l *Listener) Events() []trace.Event {
	l.t.Helper()
	return Decode(l.t, l.Bytes())
}

// Decode decodes what Bytes has answered.
func Decode(t testing.TB, b []byte) (list []trace.Event) {
	t.Helper()
	if err := trace.Decode(b, func(e *trace.Event) error {
		one := *e
		one.Args, one.Body = slices.Clone(e.Args), bytes.Clone(e.Body)
		list = append(list, one)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

var (
	address = regexp.MustCompile(`0x[0-9a-f]{3,}|[0-9a-f]{32}`)
	took    = regexp.MustCompile(` <[^<>]+>$`)
)

// joined makes one event of the entry and the return of a call in which nothing else has happened: whether that is told at once depends on how
// long it takes.
func joined(list []trace.Event) (joined []trace.Event) {
	for _, e := range list {
		if n := len(joined) - 1; n >= 0 && e.Kind == trace.Leave && joined[n].Kind == trace.Enter && joined[n].Span == e.Span && joined[n].Request == e.Request {
			before := joined[n]
			e.Kind, e.Args = trace.Call, append(before.Args, e.Args...)
			if e.BodySize == 0 {
				e.Body, e.BodySize = before.Body, before.BodySize
			}
			joined[n] = e
			continue
		}
		joined = append(joined, e)
	}
	return joined
}

// Lines are events as people read them, in the order in which they come, without times, threads and requests; addresses and ids are 0x….
// A call in which nothing else has happened is one line.
func Lines(list []trace.Event) (lines []string) {
	list = joined(list)
	var b bytes.Buffer
	p := trace.NewPrinter(&b, false)
	for i := range list {
		e := list[i]
		e.Request, e.Thread = 0, 0
		_ = p.Print(&e, trace.Origin{Image: "/app.so"}, trace.About{}) // a buffer takes all
	}
	const prefix = len("15:04:05.000000 -             0       ")
	for line := range bytes.Lines(b.Bytes()) {
		line = bytes.TrimSuffix(line[prefix:], []byte("\n"))
		lines = append(lines, string(address.ReplaceAll(took.ReplaceAll(line, nil), []byte("0x…"))))
	}
	return lines
}
