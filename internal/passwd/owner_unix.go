//go:build unix

package passwd

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo gives f to whom the file belongs that info is of.
func giveTo(f *os.File, info fs.FileInfo) error {
	own, err := f.Stat()
	if err != nil {
		return err
	}
	want, okWant := info.Sys().(*syscall.Stat_t)
	have, okHave := own.Sys().(*syscall.Stat_t)
	if okWant && okHave && want.Uid == have.Uid && want.Gid == have.Gid || !okWant {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
