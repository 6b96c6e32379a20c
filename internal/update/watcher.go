package update

import (
	"path/filepath"
	"sync"
	"time"
)

// DefaultPoll is the time between two looks that nothing gave rise to.
const DefaultPoll = 10 * time.Second

// burst is how long changes of a folder are gathered before they are told.
const burst = 10 * time.Millisecond

// Watcher says when something happened in folders. It trusts the system's notices for speed only: without any it calls back for
// each folder every poll, because there are none on network file systems, and those of a folder that was replaced or from a system
// that ran out of watches are missing.
type Watcher struct {
	poll    time.Duration
	changed func(folder string)
	trouble func(folder string, err error)

	mu      sync.Mutex
	folders map[string]*watched // by the path that was added

	observe func(real string) // for tests; may be nil
	notices notices
	wake    chan struct{} // holds one when a folder is dirty
	quit    chan struct{}
	done    chan struct{}
}

// watched is a folder.
type watched struct {
	uses  int
	dirty bool
	real  string // without symbolic links, as it is watched; "" when it is not
	told  string // the trouble that was told last
}

// NewWatcher starts a watcher. changed is called with a folder as it was added: when it is, at most once for many changes at the
// same time, and after each poll; trouble is called when the system gives no notices, once for each reason and folder. Both are called by
// one goroutine, one call at a time; they must be quick and not call Close. Close it.
func NewWatcher(poll time.Duration, changed func(folder string), trouble func(folder string, err error)) *Watcher {
	w := &Watcher{poll: poll, changed: changed, trouble: trouble, folders: map[string]*watched{},
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	w.notices.changed = w.notice
	go w.run()
	return w
}

// Add watches a folder, which need not exist yet. A folder may be added more than once, and then is to be removed as often.
func (w *Watcher) Add(folder string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.folders[folder]
	if f == nil {
		f = &watched{}
		w.folders[folder] = f
	}
	f.uses++
	w.mark(f)
}

// Remove undoes one Add. A call for the folder that has begun may go on.
func (w *Watcher) Remove(folder string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.folders[folder]
	if f == nil {
		return
	}
	if f.uses--; f.uses == 0 {
		delete(w.folders, folder)
		w.wakeUp()
	}
}

// Close ends the watcher and waits until it has. Nothing is called afterwards. It may be called once.
func (w *Watcher) Close() {
	close(w.quit)
	<-w.done
}

func (w *Watcher) mark(f *watched) {
	f.dirty = true
	w.wakeUp()
}

func (w *Watcher) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// notice is called when something happened to or in a folder without symbolic links in its path, "" for: who knows.
func (w *Watcher) notice(real string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.observe != nil {
		w.observe(real)
	}
	for _, f := range w.folders {
		if real == "" || f.real == real {
			w.mark(f)
		}
	}
}

func (w *Watcher) run() {
	defer close(w.done)
	defer w.notices.close()
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-poll.C:
			w.notice("")
		case <-w.wake:
			select {
			case <-w.quit:
				return
			case <-time.After(burst):
			}
			w.tell()
		}
	}
}

// tell calls back for what has changed. Notices are set up before: what happens later gives rise to another one.
func (w *Watcher) tell() {
	w.mu.Lock()
	var dirty []string
	for path, f := range w.folders {
		if f.dirty {
			f.dirty = false
			dirty = append(dirty, path)
		}
	}
	w.mu.Unlock()
	for _, path := range dirty {
		real, err := w.attach(path)
		if w.note(path, real, err) {
			w.trouble(path, err)
		}
		w.changed(path)
	}
	w.notices.keepOnly(w.needed())
}

// attach has the system give notices of a folder.
func (w *Watcher) attach(path string) (real string, err error) {
	if real, err = filepath.EvalSymlinks(path); err != nil {
		return "", bare(err)
	}
	return real, w.notices.add(real)
}

// note keeps what attach found, and says whether to tell of the trouble.
func (w *Watcher) note(path, real string, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.folders[path]
	if f == nil {
		return false
	}
	f.real = real
	told := f.told
	if f.told = ""; err != nil {
		f.told = err.Error()
	}
	return f.told != "" && f.told != told
}

// needed is what there have to be notices of.
func (w *Watcher) needed() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	needed := map[string]bool{}
	for _, f := range w.folders {
		needed[f.real] = true
	}
	return needed
}
