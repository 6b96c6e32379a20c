package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/files"
)

// home is the folder that has all staged images of this process below one parent. Its lock file is locked as long as the
// process lives: so another one sees whether it may clean up, also from another container, where process ids mean nothing.
type home struct {
	path   string
	parent string
	lock   *os.File
	users  int // staged images; guarded by homes.mu
}

// homes are those of this process, by parent. They are the process's, not a value's, as the folder is the process's.
var homes = struct {
	mu    sync.Mutex
	live  map[string]*home
	swept map[string]bool // parents that were cleaned up
}{live: map[string]*home{}, swept: map[string]bool{}}

// What the names of all homes and of the folders in them begin with.
const homesPrefix, stagedPrefix = "isapid-images-", "image-"

// homePrefix begins the names of all homes of this user.
func homePrefix() string {
	return homesPrefix + strconv.Itoa(os.Geteuid()) + "-"
}

const lockName = "lock"

// settleTime is how long a home may exist without a lock file before it counts as left behind.
const settleTime = time.Hour

// homeIn returns this process's home below parent, with one more user.
func homeIn(parent string) (*home, error) {
	parent, err := filepath.Abs(parent)
	if err != nil {
		return nil, err
	}
	if err := files.MkdirAllPrivate(parent); err != nil {
		return nil, fmt.Errorf("make the staging folder: %w", err)
	}
	if noexec(parent) {
		return nil, fmt.Errorf("no code can be loaded from the staging folder %q (mount option noexec): set TMPDIR to a folder on another file system", parent)
	}
	homes.mu.Lock()
	defer homes.mu.Unlock()
	if !homes.swept[parent] {
		homes.swept[parent] = true
		sweep(parent)
	}
	h := homes.live[parent]
	if h == nil || !h.exists() {
		if h, err = newHome(parent); err != nil {
			return nil, fmt.Errorf("make a folder for staged images: %w", err)
		}
		homes.live[parent] = h
	}
	h.users++
	return h, nil
}

// release gives up one use; the last one removes the folder.
func (h *home) release() error {
	homes.mu.Lock()
	defer homes.mu.Unlock()
	if h.users--; h.users > 0 {
		return nil
	}
	if homes.live[h.parent] == h {
		delete(homes.live, h.parent)
	}
	return removeHome(h.path, h.lock)
}

// exists is false when somebody cleaned up the temporary folder below us.
func (h *home) exists() bool {
	return holds(h.lock, filepath.Join(h.path, lockName))
}

// newHome makes a home and locks it. Between the two a sweeper may take it for one left behind; then we make another.
func newHome(parent string) (*home, error) {
	for range 100 {
		path, err := files.MkdirTempPrivate(parent, homePrefix()+"*")
		if err != nil {
			return nil, err
		}
		name := filepath.Join(path, lockName)
		lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			os.Remove(path)
			return nil, err
		}
		if lockFile(lock) == nil && holds(lock, name) {
			return &home{path: path, parent: parent, lock: lock}, nil
		}
		lock.Close()
		files.RemoveAll(path)
	}
	return nil, fmt.Errorf("every folder made in %q disappeared or could not be locked", parent)
}

// holds tells whether the open file f still is the one called name.
func holds(f *os.File, name string) bool {
	a, errA := f.Stat()
	b, errB := os.Lstat(name)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// sweep removes the homes that processes of this user left in parent when they died. What cannot be removed is left to the
// next process.
func sweep(parent string) {
	d, err := os.Open(parent)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(maxFolder)
	for _, name := range names {
		if !strings.HasPrefix(name, homePrefix()) {
			continue
		}
		path := filepath.Join(parent, name)
		if st, err := os.Lstat(path); err == nil && st.IsDir() && ownedByMe(st) {
			sweepHome(path, st)
		}
	}
}

func sweepHome(path string, st os.FileInfo) {
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist) && time.Since(st.ModTime()) > settleTime:
		files.RemoveAll(path)
	case err != nil:
	case lockFile(lock) != nil:
		lock.Close() // it lives
	default:
		removeHome(path, lock)
	}
}

// removeHome removes a home whose lock we hold. The lock is given back last, for without it a sweeper and the maker of a
// home could both think it theirs; but Windows removes no open file, so it is removed once more after that.
func removeHome(path string, lock *os.File) error {
	files.RemoveAll(path)
	lock.Close()
	if err := files.RemoveAllWait(path); err != nil {
		return fmt.Errorf("remove the folder of staged images %q: %w", path, bare(err))
	}
	return nil
}
