//go:build unix

package passwd

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// keepPrivate does nothing: a new file is for its owner only.
func keepPrivate(*os.File) error { return nil }

// giveTo gives f to whom the file at path belongs, which info is of.
func giveTo(f *os.File, path string, info fs.FileInfo) error {
	own, err := f.Stat()
	if err != nil {
		return err
	}
	want, okWant := info.Sys().(*syscall.Stat_t)
	have, okHave := own.Sys().(*syscall.Stat_t)
	if okWant && okHave && want.Uid == have.Uid && want.Gid == have.Gid || !okWant {
		return nil
	}
	if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
		return fmt.Errorf("password file %q would get another owner: %w", path, err)
	}
	return nil
}
