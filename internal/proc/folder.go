//go:build linux || windows

package proc

import (
	"errors"
	"io/fs"
	"os"
)

// badFolder says what is wrong with a folder; nil if nothing is.
func badFolder(path string) error {
	st, err := os.Stat(path)
	var p *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such folder")
	case errors.As(err, &p):
		return p.Err
	case err == nil && !st.IsDir():
		return errors.New("it is not a folder")
	}
	return err
}
