package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/update"
)

// sourceSettle is how long sources must stay unchanged before they are compiled: editors write more than once.
const sourceSettle = 200 * time.Millisecond

// sources calls back when the source files in a folder change.
type sources struct {
	folder  string
	changed func()
	watcher *update.Watcher
	kick    chan struct{} // has an element when something happened in the folder
	stop    chan struct{}
	wait    sync.WaitGroup
}

// watchSources watches the folder of a source. The caller must call close.
func watchSources(source string, changed func()) *sources {
	s := &sources{folder: filepath.Dir(source), changed: changed, kick: make(chan struct{}, 1), stop: make(chan struct{})}
	before := s.stamp()
	s.watcher = update.NewWatcher(time.Second, func(string) {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}, func(string, error) {}) // then each second has to do
	s.watcher.Add(s.folder)
	s.wait.Go(func() { s.run(before) })
	return s
}

// close may be called of nil.
func (s *sources) close() {
	if s == nil {
		return
	}
	close(s.stop)
	s.wait.Wait()
	s.watcher.Close()
}

func (s *sources) run(before string) {
	for {
		select {
		case <-s.kick:
		case <-s.stop:
			return
		}
		now := s.stamp()
		if now == before {
			continue
		}
		for settled := ""; settled != now; {
			settled = now
			select {
			case <-time.After(sourceSettle):
			case <-s.stop:
				return
			}
			now = s.stamp()
		}
		before = now
		s.changed()
	}
}

// stamp is another text when a source or header in the folder is another file, or has another size or time.
func (s *sources) stamp() string {
	var b strings.Builder
	entries, _ := os.ReadDir(s.folder) // what can be read of it
	for _, e := range entries {
		if !slices.Contains([]string{".c", ".h", ".cpp", ".cc", ".cxx", ".hpp", ".pas", ".pp", ".inc"}, strings.ToLower(filepath.Ext(e.Name()))) {
			continue
		}
		if info, err := e.Info(); err == nil {
			fmt.Fprintln(&b, e.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
