package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// staging is the folder that a worker keeps its images in. It is locked as long as this process lives: so the next one sees what
// it may clean up after a process that was killed.
type staging struct {
	path string
	lock *os.File // the folder itself; nil where folders cannot be locked
}

const stagingPrefix = "isapid-worker-"

// swept has the temporary folders that were cleaned up. They are the process's, as the folders in them are.
var swept sync.Map

// newStaging makes a folder that only this user may enter.
func newStaging() (*staging, error) {
	parent := os.TempDir()
	if _, done := swept.LoadOrStore(parent, true); !done {
		sweepStaging(parent)
	}
	var last error
	for range 100 {
		path, err := os.MkdirTemp(parent, stagingPrefix)
		if err != nil {
			return nil, err
		}
		path = filepath.Clean(path)
		lock, err := lockFolder(path)
		if err == nil {
			return &staging{path, lock}, nil
		}
		last = err // somebody who cleans up took it for one that was left: make another
		os.RemoveAll(path)
	}
	return nil, fmt.Errorf("every folder made in %q was taken: %w", parent, last)
}

// remove deletes the folder.
func (s *staging) remove() error {
	err := os.RemoveAll(s.path)
	if s.lock != nil {
		s.lock.Close()
	}
	return err
}

// sweepStaging removes what processes of this user left in parent when they were killed.
func sweepStaging(parent string) {
	d, err := os.Open(parent)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(100_000)
	for _, name := range names {
		if !strings.HasPrefix(name, stagingPrefix) {
			continue
		}
		path := filepath.Join(parent, name)
		st, err := os.Lstat(path)
		if err != nil || !st.IsDir() || !ownedByMe(st) {
			continue
		}
		if lock, err := lockFolder(path); err == nil && lock != nil {
			os.RemoveAll(path)
			lock.Close()
		}
	}
}
