//go:build !linux

package wire

import (
	"errors"
	"os"
)

// NewBoard is for Linux: elsewhere what the calls of a worker were is not known after its end.
func NewBoard() (*os.File, error) { return nil, errors.ErrUnsupported }

// MapBoard is for Linux, likewise.
func MapBoard(*os.File) ([]byte, error) { return nil, errors.ErrUnsupported }
