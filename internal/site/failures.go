package site

import (
	"log/slog"
	"sync"
	"time"
)

// failures keeps what cannot be loaded from filling the log: one line a minute is enough. There are no more entries than images and
// applications.
type failures struct {
	mu   sync.Mutex
	last map[string]time.Time // guarded by mu
}

const reportEvery = time.Minute

func (f *failures) report(logger *slog.Logger, image string, err error) {
	if f.due(image, time.Now()) {
		logger.Error("image cannot be loaded", "image", image, "error", err)
	}
}

func (f *failures) reportFilters(logger *slog.Logger, application string, err error) {
	if f.due("filters of "+application, time.Now()) {
		logger.Error("filters cannot be loaded", "application", application, "error", err)
	}
}

// due says whether something may be reported now, and counts it as reported then.
func (f *failures) due(what string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last, ok := f.last[what]; ok && now.Sub(last) < reportEvery {
		return false
	}
	if f.last == nil {
		f.last = map[string]time.Time{}
	}
	f.last[what] = now
	return true
}
