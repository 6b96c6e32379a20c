//go:build unix

package site

import (
	"errors"
	"syscall"
)

// outOfFiles says whether the process or the system has no descriptor left.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
