package accesslog

import (
	"errors"
	"os"
)

// tryFolder makes a folder, and finds out whether files can be made there.
func tryFolder(path string) error {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(path, ".isapid-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
