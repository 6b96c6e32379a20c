package update

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// lockWait is how long another process may take to change the files of an image.
const lockWait = 10 * time.Second

// now is the time for people to read.
func now() time.Time { return time.Now().Round(0) }

// locked runs do while no other process changes the files. The system gives a lock back when its process ends, however.
func (f *Files) locked(do func() error) error {
	lock, err := os.OpenFile(f.LockFile(), os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(err, fs.ErrPermission) {
		lock, err = os.OpenFile(f.LockFile(), os.O_RDONLY|nonblock, 0) // that of another user will do
		if errors.Is(err, fs.ErrNotExist) {
			err = fs.ErrPermission
		}
	}
	if err != nil {
		return f.explain(fmt.Errorf("lock %q: %w", f.LockFile(), bare(err)))
	}
	defer lock.Close()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		ok, err := tryLock(lock)
		if err != nil {
			return fmt.Errorf("lock %q: %w", f.LockFile(), err)
		}
		if ok {
			return f.explain(do())
		}
		if time.Since(began) > lockWait {
			return fmt.Errorf("lock %q: another process has held it for %v", f.LockFile(), lockWait)
		}
	}
}

// explain says which rights an operation lacks.
func (f *Files) explain(err error) error {
	if err == nil || !errors.Is(err, fs.ErrPermission) && !errors.Is(err, readOnlySystem) {
		return err
	}
	if trouble := f.Trouble(); trouble != nil {
		return fmt.Errorf("%w: %w", err, trouble)
	}
	return fmt.Errorf("%w: %s may not change every file in %q: make it their owner", err, whoAmI(), f.folder)
}

// Trouble says why the files cannot be looked at or changed, and which rights are missing. nil: they can, as far as can be told
// without doing it.
func (f *Files) Trouble() error {
	d, err := os.Open(f.folder)
	if err == nil {
		_, err = d.Readdirnames(1)
		d.Close()
	}
	if err = bare(err); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the folder %q cannot be read: %w", f.folder, err)
	}
	switch err := mayChange(f.folder); {
	case errors.Is(err, readOnlySystem):
		return fmt.Errorf("the folder %q is on a file system that cannot be written to: updates there can be neither taken nor put aside", f.folder)
	case err != nil:
		return fmt.Errorf("%s may not change the folder %q (%w): give it the rights to write and search it, or do not watch the image", whoAmI(), f.folder, err)
	}
	return nil
}
