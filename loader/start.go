//go:build cgo

package main

import (
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/isapid/isapid/internal/update"
)

// loader is what stands between a host and the versions of one extension, from GetExtensionVersion to TerminateExtension.
//
// The host's thread has it until the goroutine starts and after that has ended; so nothing here needs a lock.
type loader struct {
	place
	settings
	files    *update.Files
	suspects map[string]bool // hashes of versions that processes have died of

	current  *version
	down     bool       // it is not in memory: nobody serves
	draining []*version // gave way, and have requests inside
	putOff   putOff
	said     string // the last trouble that was told

	tried []*version // while it begins: the one that is being loaded; at its end: those left to unload
	from  *update.Candidate
	why   error // while it begins: why NAME.run cannot be loaded
	begun time.Time

	lastError uint32 // of the last version that could not be loaded

	quit, done chan struct{} // of the goroutine; nil before it starts, and quit again when it has ended
}

// endLimit is how long the end waits for threads on their last instructions: a host ends an extension when it has no requests.
const endLimit = 2 * time.Second

// startLimit is how long the beginning waits for an update that is not completely there, when there is nothing else to run.
const startLimit = 5 * time.Second

// What a host is told that asks for the last error.
const (
	fileNotFound = 2    // there is nothing to load
	accessDenied = 5    // NAME.update is good, but cannot become NAME.run
	invalidData  = 13   // of settings
	badFormat    = 193  // NAME.run cannot be loaded, as far as the file tells
	initFailed   = 1114 // GetExtensionVersion returned FALSE and left no last error
)

// tell writes to the standard error stream, which a host shows or keeps, or not: what matters is in NAME.failed.txt and the journal, too.
func tell(message string, args ...any) {
	slog.New(slog.NewTextHandler(os.Stderr, nil)).Info("isapiloader: "+message, args...)
}

func (l *loader) tell(message string, args ...any) {
	tell(message, append([]any{"extension", filepath.Join(l.folder, l.name)}, args...)...)
}

// newLoader prepares the files for the loader whose own file is self.
func newLoader(self string) (*loader, error) {
	p, err := findPlace(self, os.Getenv(prefix+"DIR"))
	if err != nil {
		return nil, err
	}
	s, err := readSettings(filepath.Join(p.folder, p.name+".loader"))
	if err != nil {
		return nil, err
	}
	l := &loader{place: p, settings: s, files: update.New(p.run(), false), begun: time.Now()}
	l.files.Patience = s.wait
	found, err := l.files.Recover()
	for _, did := range found.Did {
		l.tell("put right what another process left", "what", did)
	}
	if err = errors.Join(err, l.files.Trouble()); err != nil {
		l.tell("updates cannot be taken", "error", err)
	}
	if l.suspects, err = suspects(l.files); err != nil {
		l.tell("the journal cannot be read", "error", err)
	}
	return l, nil
}

// next gives the version to load next, on the host's thread, and judges the last one. nil: one is in force now and the
// goroutine runs, or there is none; lastError says why.
func (l *loader) next() (v *version, lastError uint32) {
	if l.tried == nil {
		if v = l.runFile(); v != nil {
			return v, 0
		}
	} else {
		v, l.tried = l.tried[0], nil
		err := v.loaded()
		if err == nil {
			return nil, l.first(v)
		}
		l.lastError = cmp.Or(uint32(v.image.error), initFailed)
		l.refuseFirst(v, err)
	}
	return l.candidate(), cmp.Or(l.lastError, fileNotFound)
}

// runFile is NAME.run, if it can be loaded as far as the file tells.
func (l *loader) runFile() *version {
	if _, err := os.Stat(l.run()); errors.Is(err, fs.ErrNotExist) {
		l.tell("there is no such file", "run", l.run())
		return nil
	}
	v, err := l.stage(l.run(), "")
	if err == nil {
		if err = v.check(l.run()); err == nil {
			l.tried = []*version{v}
			return v
		}
		err = errors.Join(err, v.dispose())
	}
	l.lastError = badFormat
	l.refuseFirst(nil, err)
	return nil
}

// refuseFirst notes why a version does not begin, and disposes of it.
func (l *loader) refuseFirst(v *version, why error) {
	if l.from == nil {
		l.why = why
		l.tell("this version cannot be loaded", "run", l.run(), "error", why)
	} else {
		l.reject(*l.from, why.Error())
		l.from = nil
	}
	if v != nil {
		l.dispose(v)
	}
}

// candidate is a version that could take the place of a NAME.run that is not there or cannot be loaded; nil if there is none.
func (l *loader) candidate() *version {
	for time.Since(l.begun) < startLimit {
		s := l.files.Look()
		switch {
		case s.Err != nil:
			l.tell("the files cannot be looked at", "error", s.Err)
			return nil
		case s.Candidate == nil && s.Again == 0:
			return nil
		case s.Candidate == nil:
			time.Sleep(s.Again)
		case s.Candidate.Kind == update.Overwritten && l.why != nil: // NAME.run itself: leaves the reason in NAME.failed.txt
			l.reject(*s.Candidate, l.why.Error())
		default:
			v, err := l.examine(*s.Candidate)
			if err != nil {
				l.tell("the update cannot be tried", "file", s.Candidate.Path, "error", err)
				return nil
			}
			if v == nil {
				l.lastError = badFormat
			} else {
				l.from, l.tried = s.Candidate, []*version{v}
				l.note(entry{Kind: "trial", Candidate: v.staged.SHA256})
				return v
			}
		}
	}
	return nil
}

// first takes a version that was loaded into force, and starts the goroutine. lastError says why not.
func (l *loader) first(v *version) (lastError uint32) {
	if l.from != nil {
		if err := l.accept(*l.from, v); err != nil {
			l.tell("the update cannot be taken", "file", l.from.Path, "error", err)
			l.unload(v)
			return accessDenied
		}
	} else {
		l.files.Serving(v.staged.SHA256)
	}
	known.note(v)
	l.current = v
	serve(v)
	l.tell("loaded", "description", v.describe(), "sha256", v.staged.SHA256)
	l.quit, l.done = make(chan struct{}), make(chan struct{})
	go l.watch()
	return 0
}

// stop ends the goroutine and waits until it has ended.
func (l *loader) stop() {
	if l.quit != nil {
		close(l.quit)
		<-l.done
		l.tried = append(l.draining, l.current)
		l.quit = nil
	}
}

// end disposes of the version it gave last, and gives the next to unload, on the host's thread. nil: there is none any more. What requests
// are still inside of stays as it is: a host that ends an extension while they run has given them up, and they may go on.
func (l *loader) end(ended, gone bool) *version {
	if l.quit == nil && l.done == nil {
		return nil // it never began
	}
	if ended {
		v := l.tried[0]
		l.tried = l.tried[1:]
		if !gone {
			l.tell("it stays in memory", "description", v.describe(), "why", v.mayStay())
		}
		l.dispose(v)
	}
	for ; len(l.tried) > 0; l.tried = l.tried[1:] {
		v := l.tried[0]
		switch {
		case v.ended:
			l.dispose(v)
		case !v.idle(endLimit):
			l.tell("it stays in memory: requests are still inside", "description", v.describe(), "requests", v.inside())
		default:
			v.ended = true
			return v
		}
	}
	return nil
}

func (l *loader) dispose(v *version) {
	if err := v.dispose(); err != nil {
		l.tell("a private copy could not be removed", "error", err)
	}
}
