//go:build !unix && !windows

package reply

import (
	"errors"
	"io"
)

// Section is a part of a file an image named by its HANDLE. There is none on this system.
type Section struct{ len int64 }

// ErrOffset is the error of an offset that lies past the end of the file.
var ErrOffset = errors.New("offset lies past the end of the file")

// OpenSection fails.
func OpenSection(uintptr, int64, int64) (*Section, error) {
	return nil, errors.New("file handles are not supported by this build")
}

// Close does nothing.
func (*Section) Close()            {}
func (*Section) short(int64) bool  { return false }
func (*Section) reader() io.Reader { return nil }
