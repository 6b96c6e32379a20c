package remote

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/trace"
	"github.com/isapid/isapid/internal/wire"
)

// tail keeps the last lines a worker wrote.
type tail struct {
	mu      sync.Mutex // guards all below
	lines   []string
	size    int
	fatal   string    // the first line of a Go program that gives up
	dying   string    // what a Windows worker said when an exception ended it
	window  time.Time // lines are counted from here
	logged  int
	dropped int
}

const (
	tailSize = 4 << 10
	perBurst = 100 // lines of a worker that are logged in a burst
	burst    = 10 * time.Second
)

// add keeps a line and says whether it is to be logged, and how many were not since the last one that was.
func (t *tail) add(line string, now time.Time) (log bool, dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fatal == "" && (strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "panic: ")) {
		t.fatal = line
	}
	if why, ok := strings.CutPrefix(line, lastWords); ok {
		t.dying = why
	}
	t.lines = append(t.lines, line)
	for t.size += len(line) + 1; t.size > tailSize && len(t.lines) > 1; t.lines = t.lines[1:] {
		t.size -= len(t.lines[0]) + 1
	}
	if now.Sub(t.window) >= burst {
		t.window, t.logged = now, 0
	}
	if t.logged >= perBurst {
		t.dropped++
		return false, 0
	}
	t.logged++
	dropped, t.dropped = t.dropped, 0
	return true, dropped
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// lastWords begins the line in which a Windows worker says which exception ends it; package native writes it. By Wine its exit code does not
// tell.
const lastWords = "isapid: the process ends: "

// gaveUp is why the worker ended, if it said so: its runtime, of which the stacks that it writes afterwards are longer than what is kept, or
// on Windows what was called because of an exception.
func (t *tail) gaveUp(code int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.dying != "" && code != 0:
		return t.dying
	case code == exitGo:
		return t.fatal
	}
	return ""
}

// line is one that the worker wrote to its standard output or error.
func (w *Worker) line(text string, cut bool) {
	if cut {
		text += " …"
	}
	log, dropped := w.output.add(text, time.Now())
	if dropped > 0 {
		w.s.Log.Warn("output of a worker dropped: it writes too much", "name", w.s.Name, "lines", dropped)
	}
	if !log {
		return
	}
	args := []any{"name", w.s.Name, "line", text}
	generation, request := w.whose()
	if generation != 0 {
		args = append(args, "generation", generation)
	}
	if request != 0 {
		args = append(args, "request", trace.FormatID(request))
	}
	w.s.Log.Info("output of a worker", args...)
}

// whose says what is known of who writes: the generation of the images, and the request if there is only one; 0 for what is not known.
func (w *Worker) whose() (generation int, request uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.images {
		generation = max(generation, i.opt.Generation)
	}
	if w.runs.n == 1 {
		request = w.runs.first.id
	}
	return generation, request
}

func isProtocol(err error) bool {
	var p *wire.ProtocolError
	return errors.As(err, &p)
}
