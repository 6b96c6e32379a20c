package swap

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/image"
)

// approved is the private copy of a version: what is loaded, today and when a worker is started next month, whatever becomes of the
// file it was copied from.
type approved struct {
	build   Build
	version executor.Version

	mu     sync.Mutex // guards all below
	users  int
	forget func() error
}

// approve copies the image at path, for one user.
func approve(path string) (*approved, error) {
	s, err := image.Stage(path, "")
	if err != nil {
		return nil, err
	}
	a := &approved{build: Build{SHA256: s.SHA256, Size: s.Size, BuildID: s.BuildID}, users: 1}
	a.version = executor.Version{SHA256: s.SHA256, Size: s.Size, BuildID: s.BuildID}
	if a.version.File, a.forget, err = keep(s); err != nil {
		return nil, errors.Join(fmt.Errorf("keep a copy of %q: %w", path, err), s.Remove())
	}
	return a, nil
}

// retain adds a user.
func (a *approved) retain() *approved {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users++
	return a
}

// release takes one away; the copy goes with the last.
func (a *approved) release() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users--; a.users > 0 {
		return nil
	}
	return a.forget()
}

// keepNamed keeps a copy as the file it is.
func keepNamed(s *image.Staged) (path string, forget func() error, err error) {
	if _, err := os.Stat(s.Path); err != nil {
		return "", nil, err
	}
	return s.Path, s.Remove, nil
}
