//go:build !unix

package wire

import (
	"errors"
	"os"
)

// duplicate is for systems whose streams carry descriptors.
func duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }
