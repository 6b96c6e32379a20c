package front

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/isapid/isapid/internal/config"
)

// accessLog writes to a file that can be replaced between two lines. Its zero value has none.
type accessLog struct {
	lines atomic.Pointer[slog.Logger] // nil: no access log

	mu   sync.Mutex
	file *os.File // guarded by mu
}

// openAccessLog opens what the configuration names; nil if that is nothing.
func openAccessLog(cfg *config.Config) (*os.File, error) {
	if cfg.Log.AccessFile == "" {
		return nil, nil
	}
	f, err := os.OpenFile(cfg.Log.AccessFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open access log: %w", err)
	}
	return f, nil
}

// replace writes to another file from now on, to none if it is nil, and closes the one there was.
func (l *accessLog) replace(file *os.File) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.file
	if l.file = file; file == nil {
		l.lines.Store(nil)
	} else {
		l.lines.Store(slog.New(slog.NewJSONHandler(l, nil)))
	}
	if old == nil {
		return nil
	}
	return old.Close()
}

// logTo writes the access log to another file; nil: to none.
func (f *Front) logTo(file *os.File) error {
	if file == nil {
		f.watch.tell(nil)
	} else {
		f.watch.tell([]Watcher{&f.access})
	}
	return f.access.replace(file)
}

// Write is for the lines. One for which there is no file any more is dropped.
func (l *accessLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return len(line), nil
	}
	return l.file.Write(line)
}
