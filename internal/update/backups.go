package update

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Backup is a version that gave way.
type Backup struct {
	Path   string
	SHA256 string
	Size   int64     // in bytes
	Kept   time.Time // when it gave way, by the clock of the file system
}

// Backups lists the versions that gave way, newest first. It reads all of them. What is not a regular file or cannot be read is
// left out, and named in the error.
func (f *Files) Backups() ([]Backup, error) {
	numbers, err := f.backupNumbers()
	var list []Backup
	for _, n := range numbers {
		sum, st, readErr := hashFile(f.Backup(n))
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("read %q: %w", f.Backup(n), readErr))
			continue
		}
		list = append(list, Backup{Path: f.Backup(n), SHA256: sum, Size: st.Size(), Kept: st.ModTime()})
	}
	return list, err
}

// backupNumbers lists the numbers of the backups there are, from the newest on.
func (f *Files) backupNumbers() ([]int, error) {
	d, err := os.Open(f.folder)
	if err != nil {
		return nil, fmt.Errorf("list the backups in %q: %w", f.folder, bare(err))
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list the backups in %q: %w", f.folder, bare(err))
	}
	var numbers []int
	newest := filepath.Base(f.Backup(1))
	for _, name := range names {
		if name == newest {
			numbers = append(numbers, 1)
		} else if text, ok := strings.CutPrefix(name, newest+"."); ok {
			if n, err := strconv.Atoi(text); err == nil && n > 1 && strconv.Itoa(n) == text {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// keep makes old the newest backup, unless that has its bytes already, and moves the others on: no backup goes before [Files.trim].
// undo undoes it.
func (f *Files) keep(old Copy) (undo func(), err error) {
	if isCopyOf(f.Backup(1), old.SHA256) {
		return func() {}, nil
	}
	like, err := os.Stat(f.Run())
	if err != nil || !like.Mode().IsRegular() {
		like = nil
	}
	if err := copyFile(old, f.keeping(), like); err != nil {
		return nil, err
	}
	if err = f.moveOn(); err == nil {
		err = rename(f.keeping(), f.Backup(1))
	}
	if err == nil {
		err = syncFolder(f.folder)
	}
	if err != nil {
		remove(f.keeping())
		f.closeGaps()
		return nil, err
	}
	return f.dropNewest, nil
}

// moveOn gives each backup the next number.
func (f *Files) moveOn() error {
	if err := f.closeGaps(); err != nil {
		return err
	}
	numbers, err := f.backupNumbers()
	if err != nil {
		return err
	}
	for n := len(numbers); n > 0; n-- {
		if err := rename(f.Backup(n), f.Backup(n+1)); err != nil {
			return err
		}
	}
	return nil
}

// closeGaps numbers the backups from 1 on.
func (f *Files) closeGaps() error {
	numbers, err := f.backupNumbers()
	for i, n := range numbers {
		if n != i+1 {
			err = errors.Join(err, rename(f.Backup(n), f.Backup(i+1)))
		}
	}
	return err
}

// dropNewest removes the newest backup.
func (f *Files) dropNewest() {
	if remove(f.Backup(1)) == nil {
		f.closeGaps()
	}
}

// trim removes the oldest backups. What stays although it should not is no reason to undo anything, and goes the next time.
func (f *Files) trim(backups int) {
	numbers, _ := f.backupNumbers()
	for i, n := range numbers {
		if i >= backups {
			remove(f.Backup(n))
		}
	}
}
