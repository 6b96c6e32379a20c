package update

import "time"

// DefaultPoll is the time between two looks that nothing gave rise to.
const DefaultPoll = 10 * time.Second

// Watcher says when something happened in folders. It trusts the system's notices for speed only: without any it calls back for each folder every
// poll, because there are none on network file systems, and those of a folder that was replaced or from a system that ran out of watches are missing.
type Watcher struct{}

// NewWatcher starts a watcher. changed is called with a folder as it was added, at most once for many changes at the same time; trouble is
// called when the system gives no notices, once for each reason and folder. Both are called by one goroutine, one call at a
// time, and must be quick and not call the watcher. Close it.
func NewWatcher(poll time.Duration, changed func(folder string), trouble func(folder string, err error)) *Watcher {
	return &Watcher{}
}

// Add watches a folder, which need not exist yet. A folder may be added more than once, and then is to be removed as often.
func (w *Watcher) Add(folder string) {}

// Remove undoes one Add. A call for the folder that has begun may go on.
func (w *Watcher) Remove(folder string) {}

// Close ends the watcher and waits until it has. Nothing is called afterwards.
func (w *Watcher) Close() {}
