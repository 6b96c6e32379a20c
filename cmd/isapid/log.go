package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/isapid/isapid/internal/config"
)

// logSink is where the log goes: to the standard error for people or the journal, or to a file. It follows the configuration.
type logSink struct {
	levels  levels
	json    bool     // wanted by the command line, on the standard error
	instead string   // file that takes the place of the standard error; "": none
	events  eventLog // gets what is at least a warning, too; nil: nobody

	mu     sync.Mutex // one line at a time; guards all below
	err    io.Writer
	file   *os.File // nil: the standard error
	format config.LogFormat
}

// newLogSink makes a sink that writes to out until [logSink.follow] says otherwise.
func newLogSink(out io.Writer, asJSON bool) *logSink {
	s := &logSink{err: out, json: asJSON}
	s.levels.set(&logLevels{})
	s.format = s.formatOf(&config.Log{})
	return s
}

// logger logs to the sink.
func (s *logSink) logger() *slog.Logger { return slog.New(newLogHandler(s)) }

// formatOf is the format that a configuration means. JSON of the command line is for a program that reads the standard error; a file is
// for people.
func (s *logSink) formatOf(l *config.Log) config.LogFormat {
	switch {
	case s.json && l.File == "" && s.instead == "":
		return config.LogJSON
	case l.Format != config.LogAuto && l.Format != "":
		return l.Format
	case l.File == "" && s.instead == "" && isJournal(s.err):
		return config.LogJournal
	}
	return config.LogText
}

// follow opens what a configuration names, as a [front.Part]: a file is opened anew also when its name stays.
func (s *logSink) follow(cfg *config.Config) (commit, discard func(), err error) {
	l, err := levelsOf(&cfg.Log)
	if err != nil {
		return nil, nil, err
	}
	file, err := openLog(cmp.Or(cfg.Log.File, s.instead))
	if err != nil {
		return nil, nil, err
	}
	commit = func() {
		s.levels.set(l)
		s.replace(file, s.formatOf(&cfg.Log))
	}
	discard = func() {
		if file != nil {
			file.Close()
		}
	}
	return commit, discard, nil
}

// openLog returns nil for the standard error.
func openLog(name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	file, err := appendTo(name)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return file, nil
}

// reopen opens a file anew by its name: another program may have moved it away. After an error the one before goes on.
func (s *logSink) reopen() error {
	s.mu.Lock()
	file, format := s.file, s.format
	s.mu.Unlock()
	if file == nil {
		return nil
	}
	file, err := openLog(file.Name())
	if err == nil {
		s.replace(file, format)
	}
	return err
}

// replace writes to another file from now on, to the standard error if it is nil.
func (s *logSink) replace(file *os.File, format config.LogFormat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.Close()
	}
	s.file, s.format = file, format
}

// close ends a file.
func (s *logSink) close() { s.replace(nil, s.formatOf(&config.Log{})) }

// asJSON tells whether lines are objects now.
func (s *logSink) asJSON() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.format == config.LogJSON
}

// Write takes a line. As text on the standard error it has "isapid: " before it, or, for the journal, its priority.
func (s *logSink) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.file != nil:
		return s.file.Write(text)
	case s.format == config.LogJSON:
		return s.err.Write(text)
	}
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if s.format == config.LogJournal {
			line = forJournal(&b, line)
		} else {
			b.WriteString("isapid: ")
		}
		b.Write(line)
	}
	if _, err := s.err.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}
