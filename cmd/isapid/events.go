package main

import "bytes"

// eventLog is the log of the system beside ours: that of Windows, for a service. Its methods may be called from many goroutines.
type eventLog interface {
	Warning(text string)
	Error(text string)
}

// eventWriter writes lines of a [slog.TextHandler] to an event log, which knows the time and how bad it is without them.
type eventWriter struct{ log eventLog }

// Write takes one line.
func (w eventWriter) Write(line []byte) (int, error) {
	text := line
	if bytes.HasPrefix(text, []byte("time=")) {
		_, text, _ = bytes.Cut(text, []byte{' '})
	}
	level, text, _ := bytes.Cut(text, []byte{' '})
	event := string(bytes.TrimSuffix(text, []byte("\n")))
	if bytes.HasPrefix(level, []byte("level=ERROR")) {
		w.log.Error(event)
	} else {
		w.log.Warning(event)
	}
	return len(line), nil
}
