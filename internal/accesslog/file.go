package accesslog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/isapid/isapid/internal/files"
)

const (
	// maxRest bounds what waits for room on a disk, in bytes of a file.
	maxRest = 64 << 10

	// retryAfter is the time between two tries to write to a file that cannot be written.
	retryAfter = time.Second

	// tellEvery is the shortest time between two lines about that in the log.
	tellEvery = time.Minute
)

// file is where lines go: a file that is followed by others. It belongs to the goroutine that writes.
type file struct {
	log   *Log
	names names

	f      *os.File // nil: not open
	path   string   // of f
	period period   // of the lines in f
	size   int64    // of f
	headed bool     // f has its directives, and what follows belongs to them
	begun  int64    // size of a new file that has nothing but directives
	stuck  bool     // f cannot get another name: it grows beyond the limit

	rest []byte // lines that wait
	lost uint64 // lines after those, that were dropped

	tried   time.Time // when nothing could be written last; zero: it could
	failing error
	told    time.Time // of a failure, in the log
	telling bool      // the log knows of the failure
}

// add writes lines of a period, and what waited before them.
func (f *file) add(p period, lines []byte) {
	if p != f.period && (f.f != nil || len(f.rest) > 0) && p.begin.After(f.period.begin) { // late ones stay where they are
		f.flush()
		f.leave()
	}
	if f.f == nil {
		f.period = p
	}
	if f.full(lines) {
		f.flush()
	}
	if f.full(lines) {
		f.drop(lines)
		return
	}
	f.rest = append(f.rest, lines...)
}

// full tells whether lines cannot wait here: there are too many, or others have been dropped that came before them.
func (f *file) full(lines []byte) bool {
	return f.lost > 0 || len(f.rest) > 0 && len(f.rest)+len(lines) > maxRest
}

// drop counts lines that nobody will see.
func (f *file) drop(lines []byte) {
	n := uint64(bytes.Count(lines, newline))
	f.lost += n
	f.log.lost.Add(n)
}

var newline = []byte{'\n'}

// flush writes what waits, as far as there is room; after a failure not before the time is come.
func (f *file) flush() {
	if len(f.rest) == 0 && f.lost == 0 {
		f.failing = nil
		return
	}
	if !f.tried.IsZero() && time.Since(f.tried) < retryAfter {
		return
	}
	if err := f.write(); err != nil {
		f.failed(err)
		return
	}
	f.tried, f.failing = time.Time{}, nil
	if f.telling {
		f.telling = false
		f.log.s.Logger.Info("access log is written again", "file", f.path)
	}
}

func (f *file) failed(err error) {
	f.tried, f.failing = time.Now(), err
	if f.tried.Sub(f.told) < tellEvery {
		return
	}
	f.told, f.telling = f.tried, true
	path := f.path
	if path == "" {
		path = f.names.folder
	}
	f.log.s.Logger.Error("access log cannot be written: serving goes on, lines are lost", "file", path, "error", err, "lost", f.log.lost.Load())
}

// write writes all that waits. Lines that were written wait no longer, also when it fails.
func (f *file) write() error {
	for len(f.rest) > 0 {
		if err := f.ready(); err != nil {
			return err
		}
		lines := f.fitting()
		if len(lines) == 0 {
			if err := f.another(); err != nil {
				return err
			}
			continue
		}
		n, err := f.whole(lines)
		f.log.lines.Add(uint64(bytes.Count(f.rest[:n], newline)))
		f.rest = f.rest[:copy(f.rest, f.rest[n:])]
		if len(f.rest) == 0 && cap(f.rest) > keepBuffer {
			f.rest = nil
		}
		if err != nil {
			return err
		}
	}
	if f.lost == 0 {
		return nil
	}
	if err := f.ready(); err != nil {
		return err
	}
	remark := f.log.format.lost(nil, time.Now(), f.lost)
	if n, err := f.whole(remark); n < len(remark) {
		return err
	}
	f.lost = 0
	return nil
}

// ready opens the file if there is none, begins another one if this one is full, and writes the directives.
func (f *file) ready() error {
	if f.f == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	f.look()
	if limit := f.limit(); limit > 0 && f.size >= limit && f.size > f.begun {
		if err := f.another(); err != nil {
			return err
		}
	}
	if f.headed {
		return nil
	}
	head, empty := f.log.format.head(nil, time.Now()), f.size == 0
	if n, err := f.whole(head); n < len(head) {
		return errors.Join(err, f.cut(int64(n)))
	}
	f.headed, f.begun = true, 0
	if empty {
		f.begun = f.size
	}
	return nil
}

// limit is the length of the file from which another one is begun; 0: any.
func (f *file) limit() int64 {
	if f.stuck {
		return 0
	}
	return f.log.s.Rotate.Size
}

// look finds out whether somebody has emptied the file (copytruncate). Then it begins anew.
func (f *file) look() {
	info, err := f.f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	if info.Size() < f.size {
		f.headed = false
	}
	f.size = info.Size()
}

// fitting is what of the lines that wait goes into this file. A file that has none takes one, however long that is.
func (f *file) fitting() []byte {
	limit := f.limit()
	room := limit - f.size
	if limit == 0 || int64(len(f.rest)) <= room {
		return f.rest
	}
	end := 0
	if room > 0 {
		end = bytes.LastIndexByte(f.rest[:room], '\n') + 1
	}
	if end == 0 && f.size == f.begun {
		end = bytes.IndexByte(f.rest, '\n') + 1
	}
	return f.rest[:end]
}

// whole writes lines, as many as there is room for, and returns their bytes. What there is of another line is taken back.
func (f *file) whole(lines []byte) (n int, err error) {
	wrote, err := f.f.Write(lines)
	f.size += int64(wrote)
	if err == nil {
		return wrote, nil
	}
	n = bytes.LastIndexByte(lines[:wrote], '\n') + 1
	return n, errors.Join(err, f.cut(int64(wrote-n)))
}

// cut takes the last n bytes off the file.
func (f *file) cut(n int64) error {
	if n == 0 {
		return nil
	}
	info, err := f.f.Stat()
	if err != nil || info.Size() < n {
		return err // somebody else has emptied it
	}
	if err := files.Truncate(f.f, f.path, info.Size()-n); err != nil {
		return err
	}
	f.size = info.Size() - n
	return nil
}

// open opens the file of the period, which may be there already.
func (f *file) open() error {
	if err := os.MkdirAll(f.names.folder, 0o750); err != nil {
		return err
	}
	f.setAside()
	return f.openFile(f.names.current(f.period))
}

func (f *file) openFile(path string) (err error) {
	f.path, f.headed, f.size, f.begun, f.stuck = path, false, 0, 0, false
	if f.f, err = files.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640); err != nil {
		f.f = nil
		return err
	}
	if err := f.mend(); err != nil {
		f.f.Close()
		f.f = nil
		return err
	}
	if f.log.s.Keep > 0 {
		if err := f.names.prune(f.log.s.Keep, path); err != nil {
			f.log.s.Logger.Warn("old access log cannot be removed", "file", path, "error", err)
		}
	}
	return nil
}

// mend ends a line that another process was not able to end.
func (f *file) mend() error {
	info, err := f.f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	f.size = info.Size()
	if last, err := lastByte(f.path, f.size); err == nil && last != '\n' {
		_, err = f.whole(newline)
		return err
	}
	return nil // who may write need not be able to read
}

// lastByte is the last one of a file of the given size.
func lastByte(path string, size int64) (byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var last [1]byte
	_, err = f.ReadAt(last[:], size-1)
	return last[0], err
}

// setAside renames a file with a fixed name that has lines of an earlier period.
func (f *file) setAside() {
	if f.names.fixed == "" || f.period.begin.IsZero() {
		return
	}
	path := filepath.Join(f.names.folder, f.names.fixed)
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 || !info.Mode().IsRegular() || !info.ModTime().Before(f.period.begin) {
		return // what is wrong with it is found when it is opened
	}
	f.rename(path, f.names.next(periodOf(f.log.s.Rotate.Every, info.ModTime())))
}

// rename gives a file that is left the name that it keeps. If that cannot be, the file goes on.
func (f *file) rename(from, to string) bool {
	err := os.Rename(from, to)
	if err != nil {
		f.log.s.Logger.Warn("access log cannot be renamed: the same file goes on", "file", from, "error", err)
	}
	return err == nil
}

// leave closes the file, after its lines have been written: the next one is that of another period. Lines that still wait go there.
func (f *file) leave() {
	if f.f == nil {
		return
	}
	if f.names.fixed != "" {
		f.rename(f.path, f.names.next(f.period))
	}
	f.close()
}

// another begins another file of the same period.
func (f *file) another() error {
	next := f.names.next(f.period)
	if f.names.fixed != "" {
		if !f.rename(f.path, next) {
			f.stuck = true
			return nil
		}
		next = f.path
	}
	f.close()
	return f.openFile(next)
}

func (f *file) close() {
	if f.f == nil {
		return
	}
	if err := f.f.Close(); err != nil {
		f.failed(err) // lines may be lost that nobody can count
	}
	f.f = nil
}
