package update

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// notices are the system's notices of what happens in folders. The zero value with changed is ready. All methods are called by one
// goroutine.
type notices struct {
	changed func(folder string) // called by another goroutine; "": notices were lost

	system *fsnotify.Watcher      // nil: there is none, because the system would not give one or there was nothing to watch
	is     map[string]os.FileInfo // which folder is watched under a name
	pump   sync.WaitGroup
}

// add gives notices of a folder. When another has its name now than the last time, or it was away meanwhile, of the one that is there.
func (n *notices) add(folder string) error {
	st, err := os.Stat(folder)
	if err != nil {
		return bare(err)
	}
	if err := n.start(); err != nil {
		return err
	}
	if was := n.is[folder]; was != nil {
		if os.SameFile(was, st) && n.has(folder) {
			return nil
		}
		n.drop(folder)
	}
	if err := n.system.Add(folder); err != nil {
		return noNotices(err)
	}
	n.is[folder] = st
	return nil
}

// keepOnly ends all notices but those of some folders.
func (n *notices) keepOnly(folders map[string]bool) {
	for folder := range n.is {
		if !folders[folder] {
			n.drop(folder)
		}
	}
}

func (n *notices) close() {
	if n.system != nil {
		n.system.Close()
		n.pump.Wait()
	}
}

func (n *notices) drop(folder string) {
	n.system.Remove(folder) // an error means that the system has done it already
	delete(n.is, folder)
}

// has tells whether the system did not end the notices of a folder when that was removed or renamed.
func (n *notices) has(folder string) bool {
	for _, f := range n.system.WatchList() {
		if f == folder {
			return true
		}
	}
	return false
}

// start begins to listen. What comes is taken in by a goroutine that waits for nobody: while notices wait to be taken, the
// library may wait, too, whatever it is asked to do.
func (n *notices) start() error {
	if n.system != nil {
		return nil
	}
	system, err := fsnotify.NewWatcher()
	if err != nil {
		return noNotices(err)
	}
	n.system, n.is = system, map[string]os.FileInfo{}
	n.pump.Go(func() {
		for events, errs := system.Events, system.Errors; events != nil || errs != nil; {
			select {
			case e, ok := <-events:
				if !ok {
					events = nil
				} else if e.Name != "" {
					n.changed(e.Name)
					n.changed(filepath.Dir(e.Name))
				}
			case _, ok := <-errs:
				if !ok {
					errs = nil
				} else {
					n.changed("") // there were too many, for example
				}
			}
		}
	})
	return nil
}

// noNotices says what can be done about it.
func noNotices(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the system gives no notices of changes (%w): raise fs.inotify.max_user_watches", err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("the system gives no notices of changes (%w): raise fs.inotify.max_user_instances, or the limit of open files", err)
	}
	return fmt.Errorf("the system gives no notices of changes: %w", err)
}
