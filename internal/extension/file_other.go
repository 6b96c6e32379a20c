//go:build !unix

package extension

import (
	"errors"
	"io"
)

type section struct{ len int64 }

var errOffset = errors.New("offset lies past the end of the file")

func openSection(uintptr, int64, int64) (*section, error) {
	return nil, errors.New("file handles are not supported by this build")
}

func (*section) close()            {}
func (*section) short(int64) bool  { return false }
func (*section) reader() io.Reader { return nil }
