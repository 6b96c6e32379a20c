package server

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
)

// errorLog takes net/http's own messages. Failed handshakes are clients' doing and normal noise; the rest is worth a warning.
func errorLog(to *slog.Logger) *log.Logger { return log.New(logWriter{to}, "", 0) }

type logWriter struct{ to *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	text := strings.TrimPrefix(string(bytes.TrimSpace(p)), "http: ")
	if strings.HasPrefix(text, "TLS handshake error") {
		w.to.Debug(text)
	} else {
		w.to.Warn(text)
	}
	return len(p), nil
}
