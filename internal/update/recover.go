package update

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Recovered is what [Files.Recover] found.
type Recovered struct {
	Run     string   // hash of the run file, "" if there is none that can be read
	Serving string   // hash of what the journal says is the run file, "" if it says nothing
	Last    *Entry   // of the journal, nil if there is none
	Did     []string // what was put right, for people
}

// Recover finishes or undoes what a process that ended in the middle has left: temporary files, gaps in the numbers of backups, a
// newest backup that is what runs. To be called before the image is loaded. It says what it did, and what the journal says: where
// that has another hash than the run file, either the machine stopped between an entry and its Accept, or somebody has
// replaced the file since. What it found is valid also with an error.
func (f *Files) Recover() (Recovered, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var r Recovered
	var err error
	if f.unfinished() {
		err = f.locked(func() error {
			var err error
			r.Did, err = f.finish()
			return err
		})
	}
	if err != nil {
		err = fmt.Errorf("put the files of %q right: %w", f.image, err)
	}
	r.Run, _, _ = hashFile(f.Run())
	entries, readErr := f.Journal()
	for i := range entries {
		if r.Last = &entries[i]; r.Last.Serving != "" {
			r.Serving = r.Last.Serving
		}
	}
	return r, errors.Join(err, readErr)
}

// unfinished tells whether there may be something to put right.
func (f *Files) unfinished() bool {
	for _, path := range []string{f.claimed(), f.copied(), f.keeping(), f.gone(), f.written(), f.shortened()} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return f.hasGaps() || f.backupRuns()
}

func (f *Files) hasGaps() bool {
	numbers, _ := f.backupNumbers()
	return len(numbers) > 0 && numbers[len(numbers)-1] != len(numbers)
}

// backupRuns tells whether the newest backup is what runs: an Accept had not come to its end, or a TakeBack.
func (f *Files) backupRuns() bool {
	backup, err := os.Lstat(f.Backup(1))
	if err != nil {
		return false
	}
	run, err := os.Stat(f.Run())
	if err != nil || run.Size() != backup.Size() {
		return false
	}
	sum, _, err := hashFile(f.Run())
	return err == nil && isCopyOf(f.Backup(1), sum)
}

// finish puts everything right that can be.
func (f *Files) finish() (did []string, err error) {
	note := func(text string, failed error) {
		if failed == nil {
			did = append(did, text)
		} else {
			err = errors.Join(err, fmt.Errorf("%s: %w", text, failed))
		}
	}
	name := filepath.Base
	if _, err := os.Lstat(f.claimed()); err == nil {
		if _, err := os.Lstat(f.Update()); err == nil {
			note("removed a candidate that a newer one has followed", remove(f.claimed()))
		} else {
			note("gave a candidate its name back: "+name(f.Update()), rename(f.claimed(), f.Update()))
		}
	}
	if gone, err := os.Lstat(f.gone()); err == nil {
		run, err := os.Lstat(f.Run())
		if err != nil { // what was there was no file: then the copy is complete that is to take its place
			note("made the old version "+name(f.Run())+" again", rename(f.copied(), f.Run()))
			run, err = os.Lstat(f.Run())
		}
		switch {
		case err != nil: // note has it
		case os.SameFile(run, gone) || sameBytes(f.gone(), f.Run()):
			note("removed a second name of the run file", remove(f.gone()))
		default:
			note("made what was to be put aside "+name(f.Failed()), errors.Join(remove(f.FailedText()), replace(f.gone(), f.Failed())))
		}
	}
	for _, path := range []string{f.copied(), f.keeping(), f.written(), f.shortened()} {
		if _, err := os.Lstat(path); err == nil {
			note("removed the unfinished "+name(path), remove(path))
		}
	}
	if f.hasGaps() {
		note("closed a gap in the numbers of the backups", f.closeGaps())
	}
	for f.backupRuns() {
		failed := remove(f.Backup(1))
		if note("removed the newest backup, which is what runs", errors.Join(failed, f.closeGaps())); failed != nil {
			break
		}
	}
	return did, errors.Join(err, syncFolder(f.folder))
}

// sameBytes compares two files that can be read.
func sameBytes(a, b string) bool {
	sum, _, err := hashFile(a)
	return err == nil && isCopyOf(b, sum)
}
