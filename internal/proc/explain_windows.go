package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// explain makes a sentence of what the system says of a program that it did not start.
func explain(s *Spec, path string, err error) error {
	if s.Dir != "" {
		if e := badFolder(s.Dir); e != nil {
			return fmt.Errorf("working folder %q: %w", s.Dir, e)
		}
	}
	st, e := os.Stat(path)
	switch {
	case errors.Is(e, fs.ErrNotExist):
		return errors.New("there is no such program")
	case e == nil && st.IsDir():
		return errors.New("it is a folder, not a program")
	case errors.Is(err, windows.ERROR_BAD_EXE_FORMAT), errors.Is(err, windows.ERROR_EXE_MACHINE_TYPE_MISMATCH):
		return fmt.Errorf("%w: it is not a program for this system", err)
	case errors.Is(err, windows.ERROR_ELEVATION_REQUIRED):
		return fmt.Errorf("%w: it asks for the rights of an administrator, which this process does not have", err)
	}
	return err
}
