package obituary

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// Lines are the last lines of a log. The zero value has none and is ready to be used.
type Lines struct {
	mu   sync.Mutex
	list []string
}

// mostLog is how many are kept.
const mostLog = 20

// Handler passes everything on to next and keeps the last lines of it.
func (l *Lines) Handler(next slog.Handler) slog.Handler { return &keeper{Handler: next, lines: l} }

// Last are the lines, the oldest first.
func (l *Lines) Last() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.list...)
}

func (l *Lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list = append(l.list, line); len(l.list) > mostLog {
		l.list = l.list[1:]
	}
}

// keeper is a handler that keeps lines. The attributes of its loggers are those of every line: they are not kept.
type keeper struct {
	slog.Handler
	lines *Lines
}

// Handle implements [slog.Handler].
func (k *keeper) Handle(ctx context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Time.UTC().Format("15:04:05.000 "))
	b.WriteString(r.Level.String() + " " + r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(" " + a.String())
		return b.Len() < mostText
	})
	k.lines.add(b.String())
	return k.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (k *keeper) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &keeper{k.Handler.WithAttrs(attrs), k.lines}
}

// WithGroup implements [slog.Handler].
func (k *keeper) WithGroup(name string) slog.Handler {
	return &keeper{k.Handler.WithGroup(name), k.lines}
}
