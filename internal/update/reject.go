package update

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What happened to a candidate.
const (
	refused   = "was refused"
	takenBack = "ran, and was taken back"
)

// Reject puts a candidate aside as NAME.failed, beside a text with the reason, and returns the path. An earlier pair goes. Where
// the run file was overwritten, old, what is in force, takes its place again; without old it stays, and its reason alone is written. A
// candidate that is gone or was changed again is left alone, and nothing is done for one that was given: failed is "" then.
//
// After an error the same candidate is not found by Look again until it is changed.
func (f *Files) Reject(c Candidate, old Copy, reason string) (failed string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Kind == Given {
		return "", nil
	}
	err = f.locked(func() error {
		var err error
		if c.Kind == Dropped {
			failed, err = f.rejectDropped(c, reason)
		} else {
			failed, err = f.rejectRun(c, old, reason)
		}
		return errors.Join(err, syncFolder(f.folder))
	})
	if err != nil {
		f.refuseUntilChanged(c)
		return failed, fmt.Errorf("reject %q: %w", c.Path, err)
	}
	return failed, nil
}

// TakeBack undoes an Accept: the run file is put aside as NAME.failed, beside a text with the reason, and old, what ran before,
// takes its place again; it is not a backup any more. failed is the path. A run file that was overwritten since is left alone, a
// candidate for Look, and failed is "".
func (f *Files) TakeBack(old Copy, reason string) (failed string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	run := f.Run()
	now := Candidate{Path: run, Kind: Overwritten, SHA256: f.serving.sha256, Stamp: f.serving.stamp}
	err = f.locked(func() error {
		if !isThere(now, run) && !isCopyOf(run, now.SHA256) {
			f.serving = serving{sha256: old.SHA256}
			return nil
		}
		var err error
		failed, err = f.putBack(old, now, takenBack, reason)
		return errors.Join(err, syncFolder(f.folder))
	})
	if err != nil {
		return failed, fmt.Errorf("take %q back: %w", run, err)
	}
	return failed, nil
}

// Keep makes a backup of old before anything is tried. It is for a run file that was overwritten: until the candidate is accepted
// or rejected, old exists nowhere else but in memory and temporary folders, which do not survive the machine. Accept takes this
// backup for its own, Reject removes it.
func (f *Files) Keep(old Copy) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.locked(func() error {
		_, err := f.keep(old)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep %q as %q: %w", old.Path, f.Backup(1), err)
	}
	return nil
}

// rejectDropped moves a candidate to NAME.failed.
func (f *Files) rejectDropped(c Candidate, reason string) (string, error) {
	err := f.claim(c)
	if errors.Is(err, ErrGone) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if err := f.fail(f.claimed(), c, refused, reason); err != nil {
		if _, left := os.Lstat(f.claimed()); left == nil {
			f.unclaim(c.Path)
			return "", err
		}
		return f.Failed(), err
	}
	return f.Failed(), nil
}

// rejectRun puts old back in the place of a run file that was overwritten.
func (f *Files) rejectRun(c Candidate, old Copy, reason string) (string, error) {
	if !isThere(c, c.Path) {
		return "", nil
	}
	if old.Path == "" {
		f.refuseUntilChanged(c)
		return "", f.describe(c.Path, c, refused, reason)
	}
	return f.putBack(old, c, refused, reason)
}

// putBack makes old the run file again, and the run file NAME.failed.
func (f *Files) putBack(old Copy, run Candidate, verdict, reason string) (string, error) {
	if err := f.copyOld(old, run.Path); err != nil {
		return "", fmt.Errorf("copy the old version to %q: %w", f.copied(), err)
	}
	err := f.setAside(run.Path)
	if err == nil {
		err = rename(f.copied(), run.Path)
	}
	if err != nil {
		_, inPlace := os.Lstat(run.Path)
		if inPlace != nil {
			rename(f.gone(), run.Path)
		}
		remove(f.gone())
		remove(f.copied())
		return "", fmt.Errorf("make the old version %q again: %w", run.Path, err)
	}
	f.installed(old.SHA256)
	if isCopyOf(f.Backup(1), old.SHA256) {
		f.dropNewest()
	}
	if err := f.fail(f.gone(), run, verdict, reason); err != nil {
		if _, left := os.Lstat(f.gone()); left == nil {
			return "", err
		}
		return f.Failed(), err
	}
	return f.Failed(), nil
}

// copyOld makes a copy of old to be the run file. Where there is a backup of it, that is taken: it needs no room.
func (f *Files) copyOld(old Copy, run string) error {
	if isCopyOf(f.Backup(1), old.SHA256) && remove(f.copied()) == nil {
		step("link")
		if os.Link(f.Backup(1), f.copied()) == nil {
			return nil
		}
	}
	like, err := os.Stat(run)
	if err != nil || !like.Mode().IsRegular() {
		like = nil
	}
	return copyFile(old, f.copied(), like)
}

// setAside gives the run file a second name, so that there is one at every instant. What is no file has to go instead.
func (f *Files) setAside(run string) error {
	if err := remove(f.gone()); err != nil {
		return err
	}
	st, err := os.Lstat(run)
	if err != nil {
		return bare(err)
	}
	if !st.Mode().IsRegular() && st.Mode()&fs.ModeSymlink == 0 {
		return rename(run, f.gone())
	}
	step("link")
	if os.Link(run, f.gone()) == nil {
		return nil
	}
	if err := copyFile(Copy{Path: run}, f.keeping(), st); err != nil { // there are file systems without links
		return err
	}
	return rename(f.keeping(), f.gone()) // so that what has this name is complete
}

// fail makes a file NAME.failed, beside a text with the reason.
func (f *Files) fail(path string, c Candidate, verdict, reason string) error {
	if err := remove(f.FailedText()); err != nil {
		return fmt.Errorf("remove %q: %w", f.FailedText(), err)
	}
	if err := replace(path, f.Failed()); err != nil {
		return fmt.Errorf("make it %q: %w", f.Failed(), err)
	}
	return f.describe(f.Failed(), c, verdict, reason)
}

// refuseUntilChanged keeps Look from finding a candidate again that is still there.
func (f *Files) refuseUntilChanged(c Candidate) {
	if st, err := stat(c); err == nil && stampOf(st).sameContent(c.Stamp) {
		f.refused[c.Path] = stampOf(st)
	}
}

// describe writes NAME.failed.txt.
func (f *Files) describe(path string, c Candidate, verdict, reason string) error {
	var b strings.Builder
	name := filepath.Base
	fmt.Fprintf(&b, "%s %s.\n\nWhy:    %s\nWhen:   %s\n", name(c.Path), verdict, reason, now().Format("2006-01-02 15:04:05 MST"))
	fmt.Fprintf(&b, "File:   %s", name(path))
	if st, err := os.Lstat(path); err == nil && st.Mode().IsRegular() {
		fmt.Fprintf(&b, ", %d bytes", st.Size())
		if sum, _, err := hashFile(path); err == nil {
			fmt.Fprintf(&b, ", SHA-256 %s", sum)
		}
	}
	fmt.Fprintf(&b, "\nRuns:   %s", name(f.Run()))
	if f.serving.sha256 != "" {
		fmt.Fprintf(&b, ", SHA-256 %s", f.serving.sha256)
	}
	fmt.Fprintf(&b, "\n\nWhat to do: find out why, build or copy the file again, and give it the name %s.\n"+
		"Copy it under another name first and rename it when it is complete. This file and %s may be removed.\n", name(f.Update()), name(path))
	err := f.writeText(b.String())
	if err != nil {
		return fmt.Errorf("write %q: %w", f.FailedText(), err)
	}
	return nil
}

func (f *Files) writeText(text string) error {
	err := remove(f.written())
	if err == nil {
		err = writeFile(f.written(), []byte(text), nil)
	}
	if err == nil {
		if err = replace(f.written(), f.FailedText()); err != nil {
			remove(f.written())
		}
	}
	return err
}
