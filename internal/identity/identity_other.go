//go:build !windows

// Package identity has the tokens of Windows that images ask for. On other systems there are none, and every function says so.
package identity

import "errors"

// Copy is an error.
func Copy() (handle uintptr, err error) { return 0, errors.ErrUnsupported }
