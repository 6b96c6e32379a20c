package swap

import (
	"errors"
	"os"

	"github.com/isapid/isapid/internal/image"
)

// keep keeps a copy as the file it is, and open: so whoever cleans up temporary folders cannot remove it.
func keep(s *image.Staged) (path string, forget func() error, err error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return "", nil, err
	}
	path, remove, err := keepNamed(s)
	if err != nil {
		return "", nil, errors.Join(err, f.Close())
	}
	return path, func() error { return errors.Join(f.Close(), remove()) }, nil
}
