package swap

import (
	"errors"
	"fmt"
	"os"

	"github.com/isapid/isapid/internal/image"
)

// keep keeps a copy open and removes its name: whoever cleans up temporary folders does not find it, and it goes with this process.
func keep(s *image.Staged) (path string, forget func() error, err error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return "", nil, err
	}
	path = fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if !sameFile(path, s.Path) {
		f.Close()
		return keepNamed(s) // there is no /proc here
	}
	if err := s.Remove(); err != nil {
		return "", nil, errors.Join(err, f.Close())
	}
	return path, f.Close, nil
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
