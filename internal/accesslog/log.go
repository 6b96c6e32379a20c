package accesslog

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/config"
)

const (
	// maxWaiting bounds the lines in memory that wait to be written, in bytes: some 20,000 lines.
	maxWaiting = 4 << 20

	// hurryAt is how many bytes wait when the writer does not sleep any longer.
	hurryAt = 256 << 10

	// delay is the longest time from a line to its being written.
	delay = 250 * time.Millisecond
)

// format is how lines are written. All methods append to b.
type format interface {
	line(b []byte, e *Entry) []byte
	head(b []byte, now time.Time) []byte // what stands before the lines of a file
	lost(b []byte, now time.Time, n uint64) []byte
	suffix() string // of names of files
}

// Settings say what a log is.
type Settings struct {
	config.AccessLog
	Software string       // name and version of this server, if AccessLog has no other
	Logger   *slog.Logger // is told when lines cannot be written, at most once a minute for each file
}

// Log is an access log. Its methods may be called from many goroutines.
type Log struct {
	s      Settings
	format format
	files  map[int]*file // by number of the site; of the goroutine that writes

	lines, lost atomic.Uint64
	failing     atomic.Pointer[string]

	mu      sync.Mutex
	closed  bool             // guarded by mu, as all below
	waiting map[int]*waiting // by number of the site
	bytes   int              // in waiting
	free    [][]byte         // for lines, a few

	first   chan struct{} // has an element when there is something to write since a short time
	hurry   chan struct{} // likewise, much
	reopens chan chan error
	quit    chan struct{}
	done    chan struct{}
}

// waiting are the lines of a site that wait to be written.
type waiting struct {
	parts []part
	lost  uint64 // after those
}

// part are lines of one period.
type part struct {
	period period
	lines  []byte
}

// central is the number of the one file for all sites.
const central = -1

// Open begins a log. An error says why its files cannot be made. The caller must close it.
func Open(s Settings) (*Log, error) {
	l := &Log{
		s: s, files: map[int]*file{}, waiting: map[int]*waiting{},
		first: make(chan struct{}, 1), hurry: make(chan struct{}, 1), reopens: make(chan chan error), quit: make(chan struct{}), done: make(chan struct{}),
	}
	l.format = formatOf(s)
	if l.s.Logger == nil {
		l.s.Logger = slog.New(slog.DiscardHandler)
	}
	if err := l.try(); err != nil {
		return nil, fmt.Errorf("open access log: %w", err)
	}
	go l.run()
	return l, nil
}

func formatOf(s Settings) format {
	if s.Format == config.AccessJSON {
		return jsonLines{}
	}
	fields := s.Fields
	if len(fields) == 0 {
		fields = defaultFields
		if s.File != "" {
			fields = append([]string{"date", "time", "s-sitename"}, defaultFields[2:]...)
		}
	}
	software := s.AccessLog.Software
	if software == "" {
		software = s.Software
	}
	return newW3C(software, fields)
}

// try finds out whether files can be made.
func (l *Log) try() error {
	if l.s.File != "" {
		f := l.file(central)
		f.period = periodOf(l.s.Rotate.Every, time.Now())
		return f.open()
	}
	return tryFolder(l.s.Directory)
}

// file is the file of a site.
func (l *Log) file(site int) *file {
	if f := l.files[site]; f != nil {
		return f
	}
	f := &file{log: l, names: names{every: l.s.Rotate.Every, suffix: l.format.suffix()}}
	switch {
	case site == central:
		f.names.folder, f.names.fixed = filepath.Split(l.s.File)
		f.names.suffix = filepath.Ext(l.s.File)
	case site == 0:
		f.names.folder = filepath.Join(l.s.Directory, "HTTPERR")
	default:
		f.names.folder = filepath.Join(l.s.Directory, "W3SVC"+strconv.Itoa(site))
	}
	l.files[site] = f
	return f
}

var scratch = sync.Pool{New: func() any { return new([]byte) }}

// Put logs a request. It never waits; what there is no room for is lost, and counted. It is false when the log is closed and has not
// taken e: another one has taken its place.
func (l *Log) Put(e *Entry) bool {
	buffer := scratch.Get().(*[]byte)
	line := l.format.line((*buffer)[:0], e)
	taken := l.put(e, line)
	*buffer = line
	scratch.Put(buffer)
	return taken
}

func (l *Log) put(e *Entry, line []byte) bool {
	site := e.SiteID
	if l.s.File != "" {
		site = central
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	w := l.waiting[site]
	if w == nil {
		w = &waiting{}
		l.waiting[site] = w
	}
	if l.bytes == 0 {
		signal(l.first)
	}
	if l.bytes+len(line) > maxWaiting {
		w.lost++
		l.lost.Add(1)
		return true
	}
	if n := len(w.parts); n == 0 || w.parts[n-1].period.over(e.Ended) {
		w.parts = append(w.parts, part{periodOf(l.s.Rotate.Every, e.Ended), l.buffer()})
	}
	p := &w.parts[len(w.parts)-1]
	p.lines = append(p.lines, line...)
	if l.bytes += len(line); l.bytes >= hurryAt {
		signal(l.hurry)
	}
	return true
}

// buffer is one that has been used, if there is one. The caller has l.mu.
func (l *Log) buffer() []byte {
	n := len(l.free)
	if n == 0 {
		return nil
	}
	b := l.free[n-1]
	l.free = l.free[:n-1]
	return b
}

const (
	keepBuffers = 4       // between two times that lines are written
	keepBuffer  = 1 << 20 // bytes of one of them
)

// giveBack keeps a buffer for other lines.
func (l *Log) giveBack(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cap(b) <= keepBuffer && len(l.free) < keepBuffers {
		l.free = append(l.free, b[:0])
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes until the log is closed.
func (l *Log) run() {
	defer close(l.done)
	timer := time.NewTimer(retryAfter)
	defer timer.Stop()
	for {
		select {
		case <-l.first:
			timer.Reset(delay)
		case <-l.hurry:
			l.write(timer)
		case <-timer.C:
			l.write(timer)
		case answer := <-l.reopens:
			l.write(timer)
			answer <- l.reopen()
		case <-l.quit:
			l.write(timer)
			return
		}
	}
}

// write writes what was put.
func (l *Log) write(timer *time.Timer) {
	l.mu.Lock()
	all := l.waiting
	l.waiting, l.bytes = map[int]*waiting{}, 0
	l.mu.Unlock()
	for site, w := range all {
		f := l.file(site)
		for _, p := range w.parts {
			f.add(p.period, p.lines)
			l.giveBack(p.lines)
		}
		f.lost += w.lost
	}
	var failing *string
	for _, f := range l.files {
		f.flush()
		if f.failing != nil {
			text := f.failing.Error()
			failing = &text
		}
	}
	l.failing.Store(failing)
	if failing != nil {
		timer.Reset(retryAfter)
	}
}

// reopen opens all files anew.
func (l *Log) reopen() error {
	var errs []error
	for _, f := range l.files {
		if f.f == nil {
			continue
		}
		f.close()
		errs = append(errs, f.open())
	}
	return errors.Join(errs...)
}

// Reopen closes the files and opens them anew by their names, after all lines that have been put before are written: another program
// may have moved them away.
func (l *Log) Reopen() error {
	answer := make(chan error, 1)
	select {
	case l.reopens <- answer:
		if err := <-answer; err != nil {
			return fmt.Errorf("open access log again: %w", err)
		}
	case <-l.done:
	}
	return nil
}

// Close writes what was put, and ends the log. An error says how many lines could not be written.
func (l *Log) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if !closed {
		close(l.quit)
	}
	<-l.done
	if closed {
		return nil
	}
	return l.end()
}

// end closes the files.
func (l *Log) end() error {
	var errs []error
	for _, f := range l.files {
		f.tried = time.Time{} // the last chance
		f.flush()
		if f.failing != nil {
			f.drop(f.rest)
			errs = append(errs, fmt.Errorf("%d lines of the access log are lost: %w", f.lost, f.failing))
		}
		f.close()
	}
	return errors.Join(errs...)
}

// Status is how a log does.
type Status struct {
	Lines   uint64 // that were written
	Lost    uint64 // that were not
	Failing string // why nothing can be written now; "": it can
}

// Status says how the log does.
func (l *Log) Status() Status {
	s := Status{Lines: l.lines.Load(), Lost: l.lost.Load()}
	if text := l.failing.Load(); text != nil {
		s.Failing = *text
	}
	return s
}
