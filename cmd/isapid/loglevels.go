package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/isapid/isapid/internal/config"
)

// subsystemKey is the attribute that says which part of the server a logger belongs to. It is not in the lines.
const subsystemKey = "subsystem"

// logLevels is from which level up lines are logged.
type logLevels struct {
	all slog.Level
	of  map[string]slog.Level // by subsystem
}

// levels are those that hold now.
type levels struct{ atomic.Pointer[logLevels] }

func (l *levels) set(to *logLevels) { l.Store(to) }

// from is the lowest level of a subsystem that is logged.
func (l *levels) from(subsystem string) slog.Level {
	now := l.Load()
	if level, ok := now.of[subsystem]; ok {
		return level
	}
	return now.all
}

func levelsOf(l *config.Log) (*logLevels, error) {
	to := &logLevels{of: map[string]slog.Level{}}
	if err := to.all.UnmarshalText([]byte(l.Level)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	for name, text := range l.Levels {
		var level slog.Level
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("log level of %s: %w", name, err)
		}
		to.of[name] = level
	}
	return to, nil
}

// logHandler is a [slog.Handler] for a sink, whose format and levels may change at any time.
type logHandler struct {
	sink       *logSink
	subsystem  string
	text, json slog.Handler
	events     slog.Handler // for the event log; nil: there is none
}

func newLogHandler(s *logSink) *logHandler {
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	h := &logHandler{sink: s, text: slog.NewTextHandler(s, opts), json: slog.NewJSONHandler(s, opts)}
	if s.events != nil {
		h.events = slog.NewTextHandler(eventWriter{s.events}, opts)
	}
	return h
}

// Enabled implements [slog.Handler].
func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.sink.levels.from(h.subsystem)
}

// Handle implements [slog.Handler].
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.events != nil && r.Level >= slog.LevelWarn {
		_ = h.events.Handle(ctx, r) // the line is in the log, too
	}
	if h.sink.asJSON() {
		return h.json.Handle(ctx, r)
	}
	return h.text.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	rest := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		if a.Key == subsystemKey {
			c.subsystem = a.Value.String()
			continue
		}
		rest = append(rest, a)
	}
	if len(rest) > 0 {
		c.text, c.json = h.text.WithAttrs(rest), h.json.WithAttrs(rest)
		if h.events != nil {
			c.events = h.events.WithAttrs(rest)
		}
	}
	return &c
}

// WithGroup implements [slog.Handler].
func (h *logHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.text, c.json = h.text.WithGroup(name), h.json.WithGroup(name)
	if h.events != nil {
		c.events = h.events.WithGroup(name)
	}
	return &c
}
