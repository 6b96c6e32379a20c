package wine

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// linkLibraries replaces the copies of Wine's own libraries in a prefix by links to them. A file that has the name of one and other bytes is the copy of
// a full disk if the prefix is new, and otherwise somebody's own, which stays.
func (w *Wine) linkLibraries(prefix string, isNew bool) error {
	return filepath.WalkDir(filepath.Join(prefix, "drive_c"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		known := false
		for _, dir := range w.Libraries {
			theirs := filepath.Join(dir, strings.ToLower(d.Name()))
			same, err := sameBytes(path, theirs)
			switch {
			case err != nil:
				continue // not one of Wine's
			case same:
				return linkOver(path, theirs)
			}
			known = true
		}
		if known && isNew {
			return fmt.Errorf("Wine did not copy %s whole: is the disk full?", strings.TrimPrefix(path, prefix+"/"))
		}
		return nil
	})
}

// linkOver puts a link to target in the place of a file.
func linkOver(path, target string) error {
	if err := os.Symlink(target, path+".isapid"); err != nil {
		return err
	}
	return os.Rename(path+".isapid", path)
}

// unlinkLibraries removes the links of linkLibraries, also those that lead nowhere now, so that Wine makes what it wants: it would write through
// a link, into its own libraries, if we are root.
func unlinkLibraries(prefix string) error {
	if err := os.MkdirAll(filepath.Join(prefix, "drive_c"), 0o755); err != nil { // somebody may have removed it
		return err
	}
	return filepath.WalkDir(filepath.Join(prefix, "drive_c"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 {
			return err
		}
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		if folder := filepath.Base(filepath.Dir(target)); folder == "x86_64-windows" || folder == "i386-windows" {
			return os.Remove(path)
		}
		return nil
	})
}

// sameBytes compares two files; the error is one of opening them.
func sameBytes(a, b string) (bool, error) {
	fb, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer fb.Close()
	fa, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer fa.Close()
	sa, errA := fa.Stat()
	sb, errB := fb.Stat()
	if errA != nil || errB != nil || sa.Size() != sb.Size() {
		return false, nil
	}
	bufA, bufB := make([]byte, 128<<10), make([]byte, 128<<10)
	for {
		n, err := io.ReadFull(fa, bufA)
		if n == 0 {
			return err == io.EOF, nil
		}
		if m, _ := io.ReadFull(fb, bufB); m != n || !bytes.Equal(bufA[:n], bufB[:n]) {
			return false, nil
		}
	}
}

// keepInside replaces links that lead out of the prefix from the folders of its users, which Wine makes to the home directory, by folders.
func keepInside(prefix string) error {
	return filepath.WalkDir(filepath.Join(prefix, "drive_c", "users"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 {
			return err
		}
		target, err := os.Readlink(path)
		if err != nil || !filepath.IsAbs(target) {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Mkdir(path, 0o755)
	})
}

// sizeOf is what the files of a prefix take, in bytes, without what links lead to.
func sizeOf(prefix string) (sum int64) {
	filepath.WalkDir(prefix, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if st, err := d.Info(); err == nil && st.Mode().IsRegular() {
			sum += st.Size()
		}
		return nil
	})
	return sum
}
