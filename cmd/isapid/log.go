package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// prefixed writes every line with "isapid: " before it.
type prefixed struct {
	mu  sync.Mutex // one line at a time
	out io.Writer
}

func (p *prefixed) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		b.WriteString("isapid: ")
		b.Write(line)
	}
	if _, err := p.out.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// newLogger logs to out for people, or as JSON.
func newLogger(out io.Writer, level slog.Level, asJSON bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(out, opts))
	}
	return slog.New(slog.NewTextHandler(&prefixed{out: out}, opts))
}

// openLog opens a log for appending and makes it if need be. The caller closes it.
func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, configError{fmt.Errorf("open log: %w", err)}
	}
	return f, nil
}
