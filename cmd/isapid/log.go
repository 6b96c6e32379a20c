package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/isapid/isapid/internal/config"
)

// logSink is where the log goes: to the standard error for people, or to a file. It follows the configuration.
type logSink struct {
	level slog.LevelVar
	json  bool

	mu   sync.Mutex // one line at a time
	err  io.Writer
	file *os.File // nil: the standard error
}

// newLogSink makes a sink that writes to out until [logSink.follow] says otherwise.
func newLogSink(out io.Writer, asJSON bool) *logSink { return &logSink{err: out, json: asJSON} }

// logger logs to the sink. JSON is for a program that reads the standard error; a file is for people.
func (s *logSink) logger() *slog.Logger {
	opts := &slog.HandlerOptions{Level: &s.level}
	if s.json && s.file == nil {
		return slog.New(slog.NewJSONHandler(s, opts))
	}
	return slog.New(slog.NewTextHandler(s, opts))
}

// follow opens what a configuration names, as a [front.Part]: a file is opened anew also when its name stays.
func (s *logSink) follow(cfg *config.Config) (commit, discard func(), err error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return nil, nil, fmt.Errorf("log level: %w", err)
	}
	var file *os.File
	if cfg.Log.File != "" {
		if file, err = os.OpenFile(cfg.Log.File, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640); err != nil {
			return nil, nil, fmt.Errorf("open log: %w", err)
		}
	}
	commit = func() {
		s.level.Set(level)
		s.replace(file)
	}
	discard = func() {
		if file != nil {
			file.Close()
		}
	}
	return commit, discard, nil
}

// replace writes to another file from now on, to the standard error if it is nil.
func (s *logSink) replace(file *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.Close()
	}
	s.file = file
}

// close ends a file.
func (s *logSink) close() { s.replace(nil) }

// Write takes a line. On the standard error it has "isapid: " before it, unless it is JSON.
func (s *logSink) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.file != nil:
		return s.file.Write(text)
	case s.json:
		return s.err.Write(text)
	}
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		b.WriteString("isapid: ")
		b.Write(line)
	}
	if _, err := s.err.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}
