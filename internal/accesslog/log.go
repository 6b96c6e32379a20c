package accesslog

import (
	"log/slog"

	"github.com/isapid/isapid/internal/config"
)

// Log is an access log.
type Log struct{}

// Settings say what a log is.
type Settings struct {
	config.AccessLog
	Software string       // name and version of this server, if AccessLog has no other
	Logger   *slog.Logger // is told when lines cannot be written, at most once a minute
}

// Open begins a log. An error says why its files cannot be made. The caller must close it.
func Open(s Settings) (*Log, error) { return &Log{}, nil }

// Put logs a request. It never waits; what there is no room for is lost, and counted. It is false when the log is closed and has not
// taken e: another one has taken its place.
func (l *Log) Put(e *Entry) bool { return true }

// Reopen closes the files and opens them anew by their names, after all lines that have been put before are written: another program
// may have moved them away.
func (l *Log) Reopen() error { return nil }

// Close writes what was put, and ends the log.
func (l *Log) Close() error { return nil }

// Status is how a log does.
type Status struct {
	Lines   uint64 // that were written
	Lost    uint64 // that were not
	Failing string // why nothing can be written now; "": it can
}

// Status says how the log does.
func (l *Log) Status() Status { return Status{} }
