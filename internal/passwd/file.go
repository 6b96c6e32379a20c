package passwd

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/files"
)

const (
	lookEvery = time.Second
	young     = 2 * time.Second // a file that has been written so lately may be written again with the same time
)

// File is a password file. It is safe for concurrent use; there is nothing to close.
type File struct {
	path   string
	logger *slog.Logger
	secret [32]byte
	table  atomic.Pointer[table]
	start  time.Time
	next   atomic.Int64 // when to look again, after start

	mu   sync.Mutex // is held while the file is looked at
	read state      // guarded by mu
}

// state is what is known of the file itself.
type state struct {
	info    fs.FileInfo // as it was read last; nil: it could not be
	settled bool        // it was not young then
	sum     [32]byte    // of what was read last, good or bad
	failure string      // what was wrong then; "" if nothing
}

// Open reads the file at path. Later errors go to logger.
func Open(path string, logger *slog.Logger) (*File, error) {
	f := &File{path: path, logger: logger, start: time.Now()}
	if _, err := rand.Read(f.secret[:]); err != nil {
		return nil, err
	}
	data, info, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("password file %q: %w", path, err)
	}
	t, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("password file %q: %w", path, err)
	}
	f.table.Store(t)
	f.read = state{info: info, settled: settled(info), sum: sha256.Sum256(data)}
	f.next.Store(int64(lookEvery))
	return f, nil
}

// readFile reads a file with what is known of it.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, bare(err)
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("not a file") // opening a named pipe would wait for a writer
	}
	f, err := files.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, bare(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, nil, bare(err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, nil, bare(err)
	}
	return data, info, nil
}

// bare is an error without the path, which the sentence around it has.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func settled(info fs.FileInfo) bool { return time.Since(info.ModTime()) >= young }

// Verify says whether the file has the name with this password. An unknown name takes as long as one that is known. The error
// is [ErrBusy] or that of ctx: then nobody has looked.
func (f *File) Verify(ctx context.Context, name, password string) (bool, error) {
	t := f.current()
	k := f.keyOf(name, password)
	if right, done := t.recall(k); done {
		return right, nil
	}
	h, known := t.users[name]
	if !known {
		if len(t.all) == 0 {
			return false, nil // there is no name to find out
		}
		h = t.all[f.standIn(name, len(t.all))]
	}
	leave, err := checks.enter(ctx, h.lanes())
	if err != nil {
		return false, err
	}
	defer leave()
	if right, done := t.recall(k); done {
		return right, nil // another request of the same client has waited, too
	}
	right := h.matches(password) && known
	t.remember(k, right)
	return right, nil
}

// keyOf depends on a secret, so that whoever sees the memory of the cache has to know that too before he can try passwords.
func (f *File) keyOf(name, password string) (k key) {
	mac := hmac.New(sha256.New, f.secret[:])
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(name)))
	mac.Write(length[:])
	mac.Write([]byte(name))
	mac.Write([]byte(password))
	mac.Sum(k[:0])
	return k
}

// standIn is the user, of n, whose hash is computed in place of that of an unknown name: always the same for one name, so that the
// time does not tell whether the name is known, also when the hashes take different times.
func (f *File) standIn(name string, n int) int {
	k := f.keyOf("", name) // no user has an empty name
	return int(binary.BigEndian.Uint64(k[:]) % uint64(n))
}

// current is the table to use now. One caller a second looks whether the file has changed.
func (f *File) current() *table {
	now := int64(time.Since(f.start))
	if next := f.next.Load(); now >= next && f.next.CompareAndSwap(next, now+int64(lookEvery)) {
		f.look()
	}
	return f.table.Load()
}

// look reads the file again if it has changed. One that is no good changes nothing, and is told once.
func (f *File) look() {
	if !f.mu.TryLock() {
		return // a look that takes longer than a second
	}
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err == nil && f.read.settled && unchanged(f.read.info, info) {
		return
	}
	data, info, err := readFile(f.path)
	if err != nil {
		f.read.info, f.read.settled = nil, false
		f.fail(err)
		return
	}
	sum := sha256.Sum256(data)
	same := sum == f.read.sum && f.read.failure == "" // after a failure what was good may be there again
	f.read.info, f.read.settled = info, settled(info)
	if same {
		return
	}
	t, err := parse(data)
	switch {
	case err != nil:
		f.read.sum = sum
		f.fail(err)
		return
	case len(t.all) == 0 && !f.read.settled:
		return // it may be about to be written
	}
	f.read.sum, f.read.failure = sum, ""
	f.table.Store(t)
	f.logger.Info("password file has changed", "file", f.path, "users", len(t.all))
}

func unchanged(a, b fs.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func (f *File) fail(err error) {
	if f.read.failure == err.Error() {
		return
	}
	f.read.failure = err.Error()
	f.logger.Error("password file cannot be used, the users stay as they were", "file", f.path, "error", err)
}
