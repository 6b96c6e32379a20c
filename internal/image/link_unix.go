//go:build unix

package image

import (
	"errors"
	"os"
)

// link makes name a symbolic link to target, an absolute path or the name of something beside it.
func link(target, name string) error {
	err := os.Symlink(target, name)
	if le := (*os.LinkError)(nil); errors.As(err, &le) {
		return le.Err
	}
	return err
}
