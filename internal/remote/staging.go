package remote

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/isapid/isapid/internal/files"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/trace"
)

// staging is the folder that a worker keeps its images in. It is locked as long as this process lives: so the next one sees what
// it may clean up after a process that was killed.
type staging struct {
	path string
	root *os.Root // the folder itself, also if its worker, who owns it, puts something else in its place
	lock *os.File // likewise
}

const stagingPrefix = "isapid-worker-"

// swept has the temporary folders that were cleaned up. They are the process's, as the folders in them are.
var swept sync.Map

// newStaging makes a folder that only this user may enter.
func newStaging() (*staging, error) {
	parent := os.TempDir()
	if _, done := swept.LoadOrStore(parent, true); !done {
		sweepStaging(parent)
	}
	var last error
	for range 100 {
		path, err := files.MkdirTempPrivate(parent, stagingPrefix)
		if err != nil {
			return nil, err
		}
		path = filepath.Clean(path)
		lock, err := lockFolder(path)
		if err == nil {
			var root *os.Root
			if root, err = os.OpenRoot(path); err == nil {
				return &staging{path, root, lock}, nil
			}
			lock.Close()
		}
		last = err // somebody who cleans up took it for one that was left: make another
		_ = files.RemoveAll(path)
	}
	return nil, fmt.Errorf("every folder made in %q was taken: %w", parent, last)
}

// put copies the file of a version into the folder, where its worker may read it, and answers the path of the copy. The caller must
// call remove when the worker does not need it any more.
func (s *staging) put(file string, number uint64) (path string, remove func(), err error) {
	src, err := openRegular(file)
	if err != nil {
		return "", nil, err
	}
	defer src.Close()
	name := fmt.Sprintf("version-%d", number)
	dst, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = s.root.Remove(name) } // what is left goes with the folder
	_, err = io.Copy(dst, src)
	if err = errors.Join(err, dst.Chmod(0o444), dst.Close()); err != nil {
		remove()
		return "", nil, err
	}
	return filepath.Join(s.path, name), remove, nil
}

// place makes a folder for the copy of an image, which has links to what lies beside it: a worker under Wine can make none. It goes with
// the folder of the worker, who must not remove it: he does not see that a link to a folder is one. The worker may be another user and
// hostile: all is done within the root, and as nobody else can enter that, everybody may write here.
func (s *staging) place(path string, number uint64) (folder string, err error) {
	name := fmt.Sprintf("image-%d", number)
	if err := s.root.Mkdir(name, 0o700); err != nil {
		return "", err
	}
	dir, err := s.root.OpenRoot(name)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	return filepath.Join(s.path, name), errors.Join(image.LinkBeside(dir, path), dir.Chmod(".", 0o777))
}

// board makes a file of [trace.BoardSize] zero bytes in the folder. The caller closes it.
func (s *staging) board() (f *os.File, path string, err error) {
	const name = "board"
	f, err = s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, "", err
	}
	if err := f.Truncate(trace.BoardSize); err != nil {
		return nil, "", errors.Join(err, f.Close())
	}
	return f, filepath.Join(s.path, name), nil
}

// openRegular opens a file to read it. A version may be named by a descriptor that is kept open; when that is let go its number can be
// something else, which must not be waited for.
func openRegular(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// remove deletes the folder.
func (s *staging) remove() error {
	s.root.Close()
	return removeLocked(s.path, s.lock)
}

// removeLocked removes a folder and gives back its lock: first what is in it, for Windows removes no folder that is open.
func removeLocked(path string, lock *os.File) error {
	err := files.RemoveAll(path)
	if lock.Close(); err != nil {
		err = files.RemoveAllWait(path)
	}
	return err
}

// sweepStaging removes what processes of this user left in parent when they were killed.
func sweepStaging(parent string) {
	d, err := os.Open(parent)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(100_000)
	for _, name := range names {
		if !strings.HasPrefix(name, stagingPrefix) {
			continue
		}
		path := filepath.Join(parent, name)
		st, err := os.Lstat(path)
		if err != nil || !st.IsDir() || !ownedByMe(st) {
			continue
		}
		if lock, err := lockFolder(path); err == nil {
			_ = removeLocked(path, lock) // what cannot be removed is left to the next process
		}
	}
}
