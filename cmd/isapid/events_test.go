package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/isapid/isapid/internal/config"
)

// eventList is an event log.
type eventList []string

func (l *eventList) Warning(text string) { *l = append(*l, "warning "+text) }
func (l *eventList) Error(text string)   { *l = append(*l, "error "+text) }

// TestEvents: what is logged and at least a warning is in the event log, too, whatever the format of the log.
func TestEvents(t *testing.T) {
	for _, format := range []config.LogFormat{config.LogText, config.LogJSON} {
		var out bytes.Buffer
		var events eventList
		s := newLogSink(&out, false)
		s.events = &events
		followed(t, s, config.Log{Level: "info", Format: format, Levels: map[string]string{"http": "error"}})
		log := s.logger().With(subsystemKey, "pool", "pool", "a b")
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			log.Log(context.Background(), level, "it fails\nagain", "n", 1)
		}
		log.With(subsystemKey, "http").Warn("not logged at all")
		log.WithGroup("g").Error("grouped", "k", "v")
		want := eventList{`warning msg="it fails\nagain" pool="a b" n=1`, `error msg="it fails\nagain" pool="a b" n=1`, `error msg=grouped pool="a b" g.k=v`}
		if !slices.Equal(events, want) {
			t.Errorf("%s:\n got %q\nwant %q", format, events, want)
		}
		if lines := bytes.Count(out.Bytes(), []byte("\n")); lines != 4 {
			t.Errorf("%s: the log has %d lines", format, lines)
		}
	}
}

// TestLogInstead: a file takes the place of the standard error where that is nobody's; one that is configured goes before it.
func TestLogInstead(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	s := newLogSink(&out, false)
	s.instead = filepath.Join(dir, "instead.log")
	log := s.logger()
	followed(t, s, config.Log{Level: "info"})
	log.Info("one")
	followed(t, s, config.Log{Level: "info", File: filepath.Join(dir, "named.log")})
	log.Info("two")
	followed(t, s, config.Log{Level: "info"})
	log.Info("three")
	s.close()
	for name, want := range map[string]string{"instead.log": "level=INFO msg=one\nlevel=INFO msg=three\n", "named.log": "level=INFO msg=two\n"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if got := without(t, string(text)); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("standard error: %s", &out)
	}
}
