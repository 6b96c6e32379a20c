package update

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrGone says that a candidate is not there any more, or not as it was: somebody has changed it, or another process took it.
var ErrGone = errors.New("it was changed or taken away meanwhile")

// Accept makes a candidate what runs, and returns the path of the backup, "" if none was made. old is what was in force: it is
// kept as the newest of so many backups, unless that has the same bytes already, or the candidate has. The candidate gets mode
// and owner of the old run file as far as this process may give them; where the run file was a symbolic link, the file takes the
// place of the link. Of a run file that was overwritten only the backup is made.
//
// After an error everything is as it was, and the error says at which step. It is [ErrGone] if the candidate is not the
// one that was looked at. With any other error a run file that was overwritten is in force nevertheless, until it is rejected or
// taken back: it is at its place, and only the backup is missing.
func (f *Files) Accept(c Candidate, old Copy, backups int) (backup string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Kind == Given && c.SHA256 == "" {
		if c.SHA256, _, err = hashFile(c.Path); err != nil {
			return "", fmt.Errorf("accept %q: %w", c.Path, err)
		}
	}
	err = f.locked(func() error {
		undo := func() {}
		if backups > 0 && old.Path != "" && old.SHA256 != c.SHA256 {
			var err error
			if undo, err = f.keep(old); err != nil {
				return fmt.Errorf("keep the old version as %q: %w", f.Backup(1), err)
			}
			backup = f.Backup(1)
		}
		if err := f.install(c); err != nil {
			undo()
			return err
		}
		f.trim(backups)
		syncFolder(f.folder) // it is done: should that not get to the disk, the old names are legal, too
		return nil
	})
	if err != nil {
		if c.Kind == Overwritten && !errors.Is(err, ErrGone) {
			f.serving = serving{c.SHA256, c.Stamp}
		}
		return "", fmt.Errorf("accept %q: %w", c.Path, err)
	}
	return backup, nil
}

// install makes a candidate the run file.
func (f *Files) install(c Candidate) error {
	run := f.Run()
	if c.Kind == Overwritten {
		if err := flush(c); err != nil {
			return err
		}
		f.serving = serving{c.SHA256, c.Stamp}
		return nil
	}
	like, err := os.Stat(run)
	if err != nil || !like.Mode().IsRegular() {
		like = nil
	}
	if c.Kind == Given {
		if err := copyFile(Copy{c.Path, c.SHA256}, f.copied(), like); err != nil {
			return fmt.Errorf("copy it to %q: %w", f.copied(), err)
		}
		if err := rename(f.copied(), run); err != nil {
			remove(f.copied())
			return fmt.Errorf("make it %q: %w", run, err)
		}
	} else {
		if err := f.claim(c); err != nil {
			return err
		}
		err := prepare(f.claimed(), like)
		if err == nil {
			err = rename(f.claimed(), run)
		}
		if err != nil {
			f.unclaim(c.Path)
			return fmt.Errorf("make it %q: %w", run, err)
		}
	}
	f.installed(c.SHA256)
	return nil
}

// installed notes what is the run file now.
func (f *Files) installed(sha256 string) {
	f.serving = serving{sha256: sha256}
	if st, err := os.Stat(f.Run()); err == nil {
		f.serving.stamp = stampOf(st)
	}
}

// claim takes a candidate that was dropped away from its name, so that nobody can write to it by that any more.
func (f *Files) claim(c Candidate) error {
	if !isThere(c, c.Path) {
		return ErrGone
	}
	if err := rename(c.Path, f.claimed()); errors.Is(err, fs.ErrNotExist) {
		return ErrGone
	} else if err != nil {
		return fmt.Errorf("rename it to %q: %w", f.claimed(), err)
	}
	if !isThere(c, f.claimed()) {
		f.unclaim(c.Path)
		return ErrGone
	}
	return nil
}

// unclaim gives the candidate its name back, unless there is a newer one: that wins.
func (f *Files) unclaim(path string) {
	if _, err := os.Lstat(path); err == nil {
		remove(f.claimed())
		return
	}
	rename(f.claimed(), path)
}

// isThere tells whether a candidate is the file at path, as it was, and nobody writes to it.
func isThere(c Candidate, path string) bool {
	c.Path = path
	st, err := stat(c)
	if err != nil || !stampOf(st).sameContent(c.Stamp) {
		return false
	}
	if !st.Mode().IsRegular() || c.Refuse != "" {
		return true
	}
	file, err := open(path, c.Kind == Dropped)
	if err != nil {
		return false
	}
	defer file.Close()
	writing, _ := beingWritten(file)
	return !writing
}

// prepare gives a candidate its mode and owner, and returns when its bytes are on the disk.
func prepare(path string, like fs.FileInfo) error {
	file, err := openToFlush(path)
	if err != nil {
		return bare(err)
	}
	defer file.Close()
	if like != nil {
		dress(file, like)
	}
	step("sync")
	return bare(flushFile(file))
}

// flush returns when the bytes of a run file that was overwritten are on the disk.
func flush(c Candidate) error {
	if !isThere(c, c.Path) {
		return ErrGone
	}
	path, err := filepath.EvalSymlinks(c.Path)
	if err == nil {
		err = prepare(path, nil)
	}
	if err != nil {
		return fmt.Errorf("write it to the disk: %w", bare(err))
	}
	return nil
}
