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
	"strings"
	"sync"
	"syscall"

	"github.com/isapid/isapid/internal/files"
)

// Staged is a private copy of an image, to be loaded in its place.
//
// The folder of the copy has a symbolic link for every other entry of the source's folder, so that libraries and
// configuration files beside the image are found as beside the source. (On Windows it may be a link of another kind, or a copy.)
// What an image *creates* beside itself is removed with the copy.
type Staged struct {
	Source  string // absolute path of the image
	Path    string // absolute path of the copy; its base name is the source's
	SHA256  string // of the copy, hexadecimal
	Size    int64  // of the copy, in bytes
	BuildID string // GNU build id, hexadecimal, "" if it has none

	folder string
	placed bool // the folder is not ours
	mu     sync.Mutex
	home   *home // nil once removed, and if it is placed
}

// Stage copies the image source into a new private folder below dir; with dir "" below the system's temporary folder.
// A dir that does not exist is made. Remove the copy when nothing of it is mapped any longer.
//
// The copies of one process lie in one folder of its own, which goes with the last of them. Folders that processes of the
// same user left behind when they died are removed the first time dir is used.
//
// Stage copies whatever file it is given: ask [Staged.Inspect] whether the copy can be loaded. It is an error if source changes
// while it is copied; the copy is removed on any error.
func Stage(source, dir string) (*Staged, error) { return StageVersion(source, source, "", dir) }

// StageVersion is Stage for another version of an image: it copies file, wherever that lies, as image, beside links to what lies
// beside image. What is at the image's own path does not matter, not even whether anything is. The copy must have the hash
// sum (SHA-256, hexadecimal) unless that is "".
func StageVersion(image, file, sum, dir string) (*Staged, error) {
	s, err := stage(image, file, sum, dir)
	return s, explain(err, image, file)
}

// StageIn is StageVersion into a folder that was made for this image alone, and has what lies beside it: see [LinkBeside]. Who made the
// folder removes it; Remove removes the copy only. It is for a process that can make no links.
func StageIn(image, file, sum, folder string) (*Staged, error) {
	s, err := stageIn(image, file, sum, folder)
	return s, explain(err, image, file)
}

// explain says what was to be done, and what can be done.
func explain(err error, image, file string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		err = fmt.Errorf("%w: make room, or set TMPDIR to a folder on another file system", err)
	}
	if file != image {
		return fmt.Errorf("stage %q from %q: %w", image, file, err)
	}
	return fmt.Errorf("stage %q: %w", image, err)
}

func stageIn(image, file, sum, folder string) (_ *Staged, err error) {
	image, err = filepath.Abs(image)
	if err != nil {
		return nil, err
	}
	src, st, err := openLibrary(file)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	s := &Staged{Source: image, Path: filepath.Join(folder, filepath.Base(image)), folder: folder, placed: true}
	if err := s.copy(src, st, sum); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

// openLibrary opens a file that is no folder.
func openLibrary(file string) (*os.File, os.FileInfo, error) {
	src, st, err := openImage(file)
	if err == nil && st.IsDir() {
		src.Close()
		return nil, nil, errors.New("it is a directory; name the library in it")
	}
	return src, st, err
}

func stage(image, file, sum, dir string) (_ *Staged, err error) {
	image, err = filepath.Abs(image)
	if err != nil {
		return nil, err
	}
	src, st, err := openLibrary(file)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if dir == "" {
		dir = os.TempDir()
	}
	home, err := homeIn(dir)
	if err != nil {
		return nil, err
	}
	s := &Staged{Source: image, home: home}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Remove())
		}
	}()
	if s.folder, err = os.MkdirTemp(home.path, stagedPrefix+"*"); err != nil {
		return nil, err
	}
	s.Path = filepath.Join(s.folder, filepath.Base(image))
	if err := s.copy(src, st, sum); err != nil {
		return nil, err
	}
	return s, linkSiblings(s.folder, image)
}

// copy makes the file and fills in what is known of it. A source that must have the hash want need not be looked at again: it was
// whole.
func (s *Staged) copy(src *os.File, before os.FileInfo, want string) error {
	dst, err := os.OpenFile(s.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, stagedMode(before.Mode()))
	if err != nil {
		return err
	}
	s.SHA256, s.Size, err = copyHashing(dst, src)
	switch {
	case err != nil:
	case want == "":
		err = unchanged(src, before, dst, s.Size)
	case !strings.EqualFold(want, s.SHA256):
		err = fmt.Errorf("it is not the version that is wanted: its SHA-256 is %s, and should be %s", s.SHA256, want)
	}
	i := &Info{Path: s.Path, Size: s.Size}
	v := &elfFile{view: &view{r: dst, size: uint64(s.Size)}}
	if v.readHeader() == nil && v.readSegments() == nil && v.readNotes(i) == nil {
		s.BuildID = i.BuildID
	}
	return errors.Join(err, dst.Close())
}

// copyPiece is how much is copied and compared at a time, in bytes.
const copyPiece = 64 << 10

// copyHashing copies src and returns the hash (hexadecimal) and the number of the bytes copied. Each piece is hashed while the
// next one is copied: hashing takes most of the time.
func copyHashing(dst io.Writer, src io.Reader) (sum string, n int64, err error) {
	free, full, hashed := make(chan []byte, 2), make(chan []byte, 2), make(chan struct{})
	free <- make([]byte, copyPiece)
	free <- make([]byte, copyPiece)
	h := sha256.New()
	go func() {
		defer close(hashed)
		for piece := range full {
			h.Write(piece)
			free <- piece[:copyPiece]
		}
	}()
	for err == nil {
		piece := <-free
		var size int
		size, err = src.Read(piece)
		if _, failed := dst.Write(piece[:size]); failed != nil {
			err = failed
		}
		full <- piece[:size]
		if n += int64(size); n > maxImage {
			err = fmt.Errorf("it grew beyond the %d bytes an image may have", maxImage)
		}
	}
	close(full)
	<-hashed
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// ErrChanged is why an image is not staged that somebody is writing to.
var ErrChanged = errors.New("it changed while it was copied: wait until whoever writes it is done, and write to another name and rename it next time")

// unchanged reads src again and compares it, and what its path names now, with the copy of n bytes.
func unchanged(src *os.File, before os.FileInfo, dst io.ReaderAt, n int64) error {
	after, err := os.Stat(src.Name())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err != nil || !os.SameFile(before, after) || n != before.Size() || after.Size() != n || !after.ModTime().Equal(before.ModTime()) {
		return ErrChanged
	}
	a, b := make([]byte, copyPiece), make([]byte, copyPiece)
	for at := int64(0); at < n; at += copyPiece {
		size := min(copyPiece, n-at)
		if _, err := src.ReadAt(a[:size], at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := dst.ReadAt(b[:size], at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !bytes.Equal(a[:size], b[:size]) {
			return ErrChanged
		}
	}
	return nil
}

// Remove deletes the copy and its folder. It may be called more than once, and again after an error: Windows refuses to
// delete a library that is loaded, and Remove waits there for up to a second for those who have a file open.
func (s *Staged) Remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.placed {
		if err := os.Remove(s.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove staged image %q: %w", s.Path, bare(err))
		}
		return nil
	}
	if s.home == nil {
		return nil
	}
	if s.folder != "" {
		if err := files.RemoveAllWait(s.folder); err != nil {
			return fmt.Errorf("remove staged image %q: %w", s.Path, bare(err))
		}
	}
	h := s.home
	s.home = nil
	return h.release()
}
