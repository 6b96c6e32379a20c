package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Staged is a private copy of an image, to be loaded in its place.
//
// The folder of the copy has a symbolic link for every other entry of the source's folder, so that libraries and
// configuration files beside the image are found as beside the source. What an image *creates* beside itself is removed
// with the copy.
type Staged struct {
	Source  string // absolute path of what was copied
	Path    string // absolute path of the copy; its base name is the source's
	SHA256  string // of both, hexadecimal
	Size    int64  // of both, in bytes
	BuildID string // GNU build id, hexadecimal, "" if it has none

	folder string
	mu     sync.Mutex
	home   *home // nil once removed
}

// Stage copies the image source into a new private folder below dir; with dir "" below the system's temporary folder.
// A dir that does not exist is made. Remove the copy when nothing of it is mapped any longer.
//
// The copies of one process lie in one folder of its own, which goes with the last of them. Folders that processes of the
// same user left behind when they died are removed the first time dir is used.
//
// Stage copies whatever file it is given: ask [Inspect] whether the copy can be loaded. It is an error if source changes
// while it is copied; the copy is removed on any error.
func Stage(source, dir string) (*Staged, error) {
	s, err := stage(source, dir)
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return nil, fmt.Errorf("stage %q: %w: make room, or set TMPDIR to a folder on another file system", source, err)
	}
	return nil, fmt.Errorf("stage %q: %w", source, err)
}

func stage(source, dir string) (_ *Staged, err error) {
	source, err = filepath.Abs(source)
	if err != nil {
		return nil, err
	}
	src, st, err := openImage(source)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if st.IsDir() {
		return nil, errors.New("it is a directory; name the library in it")
	}
	if dir == "" {
		dir = os.TempDir()
	}
	home, err := homeIn(dir)
	if err != nil {
		return nil, err
	}
	s := &Staged{Source: source, home: home}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Remove())
		}
	}()
	if s.folder, err = os.MkdirTemp(home.path, "image-*"); err != nil {
		return nil, err
	}
	s.Path = filepath.Join(s.folder, filepath.Base(source))
	if err := s.copy(src, st); err != nil {
		return nil, err
	}
	return s, linkSiblings(s.folder, source, st)
}

// copy makes the file and fills in what is known of it.
func (s *Staged) copy(src *os.File, before os.FileInfo) error {
	mode := os.FileMode(0o400)
	if before.Mode()&0o111 != 0 {
		mode = 0o500
	}
	dst, err := os.OpenFile(s.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	sum, n, err := copyHashing(dst, src)
	if err == nil {
		err = unchanged(src, before, sum, n)
	}
	s.SHA256, s.Size = hex.EncodeToString(sum), n
	i := &Info{Path: s.Path, Size: n}
	v := &elfFile{view: &view{r: dst, size: uint64(n)}}
	if v.readHeader() == nil && v.readSegments() == nil && v.readNotes(i) == nil {
		s.BuildID = i.BuildID
	}
	return errors.Join(err, dst.Close())
}

// copyHashing copies src and returns the hash and the number of the bytes copied.
func copyHashing(dst io.Writer, src io.Reader) ([]byte, int64, error) {
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(dst, h), io.LimitReader(src, maxImage+1))
	if err == nil && n > maxImage {
		err = fmt.Errorf("it grew beyond the %d bytes an image may have", maxImage)
	}
	return h.Sum(nil), n, err
}

var errChanged = errors.New("it changed while it was copied: wait until whoever writes it is done, and write to another name and rename it next time")

// unchanged reads src again and compares it, and what its path names now, with what was copied.
func unchanged(src *os.File, before os.FileInfo, sum []byte, n int64) error {
	after, err := os.Stat(src.Name())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(before, after) || n != before.Size() || after.Size() != n || !after.ModTime().Equal(before.ModTime()) {
		return errChanged
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	again, _, err := copyHashing(io.Discard, src)
	if err == nil && !bytes.Equal(again, sum) {
		err = errChanged
	}
	return err
}

// Remove deletes the copy and its folder. It may be called more than once, and again after an error: Windows refuses to
// delete a library that is loaded.
func (s *Staged) Remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.home == nil {
		return nil
	}
	if s.folder != "" {
		if err := os.RemoveAll(s.folder); err != nil {
			return fmt.Errorf("remove staged image %q: %w", s.Path, bare(err))
		}
	}
	h := s.home
	s.home = nil
	return h.release()
}
