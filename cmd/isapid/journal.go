package main

import (
	"bytes"
	"io"
	"os"
)

// forJournal writes to b what the journal takes off a line: its priority, as of syslog. It returns the rest of the line, without the time,
// which the journal has itself. Line is one of a [slog.TextHandler].
func forJournal(b *bytes.Buffer, line []byte) []byte {
	if bytes.HasPrefix(line, []byte("time=")) {
		_, line, _ = bytes.Cut(line, []byte{' '})
	}
	priority := byte('6') // informational
	if level, ok := bytes.CutPrefix(line, []byte("level=")); ok {
		switch {
		case bytes.HasPrefix(level, []byte("ERROR")):
			priority = '3'
		case bytes.HasPrefix(level, []byte("WARN")):
			priority = '4'
		case bytes.HasPrefix(level, []byte("DEBUG")):
			priority = '7'
		}
	}
	b.Write([]byte{'<', priority, '>'})
	return line
}

// isJournal tells whether what is written there goes to the journal of systemd, which names the file it has given to us.
func isJournal(w io.Writer) bool {
	file, ok := w.(*os.File)
	given := os.Getenv("JOURNAL_STREAM")
	return ok && given != "" && fileID(file) == given
}
