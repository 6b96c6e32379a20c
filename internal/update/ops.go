package update

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/isapid/isapid/internal/files"
	"github.com/isapid/isapid/internal/image"
)

// step is called before each operation that changes a file or a folder. Tests end the process in it.
var step = func(operation string) {}

// chunk is how many bytes are copied between two steps.
var chunk int64 = 256 << 10

func rename(from, to string) error {
	step("rename")
	return bare(files.Rename(from, to))
}

// remove removes a file, or an empty folder. There need not be one.
func remove(path string) error {
	step("remove")
	if err := files.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return bare(err)
	}
	return nil
}

// replace is rename, also where there is an empty folder at the new name or the system does not replace what there is.
func replace(from, to string) error {
	err := rename(from, to)
	if err != nil && !errors.Is(err, os.ErrNotExist) && remove(to) == nil {
		err = rename(from, to)
	}
	return err
}

// syncFolder has the names in a folder written to the disk.
func syncFolder(folder string) error {
	step("sync folder")
	if err := flushFolder(folder); err != nil {
		return fmt.Errorf("write folder %q to the disk: %w", folder, bare(err))
	}
	return nil
}

// copyFile makes a copy with the mode and owner of like, if that is not nil, and returns when it is on the disk. On an error there is none.
func copyFile(from Copy, to string, like os.FileInfo) (err error) {
	if err := remove(to); err != nil {
		return err
	}
	src, err := open(from.Path, false)
	if err != nil {
		return bare(err)
	}
	defer src.Close()
	step("create")
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return bare(err)
	}
	defer func() {
		if err = errors.Join(err, bare(dst.Close())); err != nil {
			remove(to)
		}
	}()
	sum := sha256.New()
	for {
		step("copy")
		n, err := io.CopyN(io.MultiWriter(dst, sum), src, chunk)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", n, bare(err))
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); from.SHA256 != "" && got != from.SHA256 {
		return fmt.Errorf("the copy %q has been changed: its hash is %s, not %s", from.Path, got, from.SHA256)
	}
	dress(dst, like)
	step("sync")
	return bare(dst.Sync())
}

// writeFile makes a new file with the mode and owner of like, if that is not nil, and returns when it is on the disk. On an error there is none.
func writeFile(path string, b []byte, like os.FileInfo) (err error) {
	step("create")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return bare(err)
	}
	defer func() {
		if err = errors.Join(err, bare(file.Close())); err != nil {
			remove(path)
		}
	}()
	if like != nil {
		dress(file, like)
	}
	step("write")
	if _, err := file.Write(b); err != nil {
		return bare(err)
	}
	step("sync")
	return bare(file.Sync())
}

// dress gives a file the mode and owner of another as far as this process may.
func dress(f *os.File, like os.FileInfo) {
	mode := os.FileMode(0o755)
	if like != nil {
		mode = like.Mode().Perm()
		step("chown")
		own(f, like) // first: it takes away rights
	}
	step("chmod")
	f.Chmod(mode)
}

// hashFile returns the hash of a regular file.
func hashFile(path string) (string, os.FileInfo, error) {
	f, err := open(path, false)
	if err != nil {
		return "", nil, bare(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return "", nil, bare(err)
	}
	if st.Size() > image.MaxSize {
		return "", nil, fmt.Errorf("it has %d bytes, more than an image may have", st.Size())
	}
	sum, err := hashOf(f, st.Size())
	return sum, st, bare(err)
}

// isCopyOf tells whether there is a regular file with the bytes of the hash.
func isCopyOf(path, hash string) bool {
	got, _, err := hashFile(path)
	return err == nil && hash != "" && got == hash
}

// bare drops what the messages here say themselves: the operation and the path.
func bare(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}
