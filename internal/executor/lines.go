package executor

import (
	"encoding/hex"
	"log/slog"

	"github.com/isapid/isapid/internal/trace"
)

// Logger is log for lines about the request: they have its id, and the trace id if there is one. It is made for a line or two, not for
// each request.
func (t *Trail) Logger(log *slog.Logger) *slog.Logger {
	if t == nil || t.ID == 0 {
		return log
	}
	log = log.With("request", trace.FormatID(t.ID))
	if t.Trace.Valid() {
		log = log.With("trace", hex.EncodeToString(t.Trace.TraceID[:]))
	}
	return log
}
