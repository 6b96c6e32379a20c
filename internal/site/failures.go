package site

import (
	"log/slog"
	"sync"
	"time"
)

// failures keeps an image that cannot be loaded from filling the log: one line a minute is enough. There are no more
// entries than images.
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

// due says whether image may be reported now, and counts it as reported then.
func (f *failures) due(image string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last, ok := f.last[image]; ok && now.Sub(last) < reportEvery {
		return false
	}
	if f.last == nil {
		f.last = map[string]time.Time{}
	}
	f.last[image] = now
	return true
}
