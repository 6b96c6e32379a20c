package build

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ClonePrefix copies a Wine prefix, whose Wine does not run, into a folder that is there. The files of Windows itself, which are large and do not change, become links.
func ClonePrefix(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case rel == ".":
			return nil
		case e.IsDir():
			return os.Mkdir(target, 0o700)
		case e.Type() == fs.ModeSymlink:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case strings.HasPrefix(rel, "drive_c/windows/"):
			return os.Symlink(path, target)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o600)
	})
}
