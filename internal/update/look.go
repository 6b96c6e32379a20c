package update

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Kind says how a candidate came.
type Kind string

// The kinds of candidates.
const (
	Dropped     Kind = "dropped"     // as NAME.update
	Overwritten Kind = "overwritten" // the run file itself has other bytes than what is in force
	Given       Kind = "given"       // by a command: Look finds none of these
)

// Candidate is a file that is to take the place of what runs.
type Candidate struct {
	Path   string // absolute; of one that was given: a copy nobody changes, which stays where it is
	Kind   Kind
	SHA256 string // of its bytes, hexadecimal; "" when Refuse says why they were not read, or when it was given and nobody has looked
	Size   int64  // in bytes
	Stamp  Stamp  // of the file; the zero value when it was given

	// Refuse says why it cannot be tried: Reject it for this reason. "": it can.
	Refuse string
}

// Copy is a private copy of a version, made by whoever loads images, and stays as it is while it is used here. Without Path there is none.
type Copy struct {
	Path   string
	SHA256 string // hexadecimal
}

// Sight is what [Files.Look] saw. The zero value is: nothing new.
type Sight struct {
	Candidate *Candidate // not nil: complete, and not what is in force

	// When there is something that is not completely there yet: why, and after which time to look again, whatever else happens.
	Why   string
	Again time.Duration

	Err error // the files cannot be looked at
}

// Serving says which version is in force: the run file is a candidate as soon as it has another hash. "" is: none.
// Accept, Reject and TakeBack know themselves.
func (f *Files) Serving(sha256 string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serving = serving{sha256: sha256}
}

// serving is the version in force.
type serving struct {
	sha256 string
	stamp  Stamp // of the run file when it had that hash; zero: not looked at yet
}

// Look says whether there is a candidate. It changes nothing, never waits for anybody, and finds the same candidate until that
// is accepted, rejected or changed. NAME.update goes before a run file that was overwritten.
func (f *Files) Look() Sight {
	f.mu.Lock()
	defer f.mu.Unlock()
	var waiting Sight
	for _, c := range f.places() {
		s := f.lookAt(c)
		if s.Candidate != nil || s.Err != nil {
			return s
		}
		if s.Again > 0 && (waiting.Again == 0 || s.Again < waiting.Again) {
			waiting = s
		}
	}
	return waiting
}

// places is where candidates may be.
func (f *Files) places() []Candidate {
	places := []Candidate{{Path: f.Update(), Kind: Dropped}}
	if f.other != "" {
		places = append(places, Candidate{Path: filepath.Join(f.folder, f.other), Kind: Dropped})
	}
	if f.plain != "" {
		places = append(places, Candidate{Path: filepath.Join(f.folder, f.plain), Kind: Dropped,
			Refuse: fmt.Sprintf("several images here have files of this name: call it %s", filepath.Base(f.Update()))})
	}
	return append(places, Candidate{Path: f.Run(), Kind: Overwritten})
}

// lookAt says whether there is a candidate at c.Path.
func (f *Files) lookAt(c Candidate) Sight {
	st, err := stat(c)
	if errors.Is(err, fs.ErrNotExist) {
		delete(f.seen, c.Path)
		delete(f.refused, c.Path)
		return Sight{}
	}
	if err != nil {
		return Sight{Err: fmt.Errorf("look at %q: %w", c.Path, bare(err))}
	}
	c.Stamp, c.Size = stampOf(st), st.Size()
	if c.Kind == Overwritten && c.Stamp == f.serving.stamp || f.refused[c.Path] == c.Stamp {
		return Sight{}
	}
	seen := f.seen[c.Path]
	if seen == nil || seen.stamp != c.Stamp {
		seen = &sighting{stamp: c.Stamp, since: time.Now()}
		f.seen[c.Path] = seen
	}
	if c.Refuse == "" {
		c.Refuse = notAFile(st.Mode())
	}
	if c.Refuse == "" && seen.sha256 == "" {
		if why, again := f.examine(&c, seen); again > 0 {
			return Sight{Why: fmt.Sprintf("%s: %s", filepath.Base(c.Path), why), Again: again}
		}
	}
	if c.SHA256 = seen.sha256; c.Kind == Overwritten && f.inForce(c) {
		f.serving.stamp = c.Stamp
		return Sight{}
	}
	return Sight{Candidate: &c}
}

// inForce tells whether the run file is what is in force. One that cannot be read any more is, if only its rights have changed.
func (f *Files) inForce(run Candidate) bool {
	if run.SHA256 == "" {
		return run.Stamp.sameContent(f.serving.stamp)
	}
	return run.SHA256 == f.serving.sha256
}

// stat does not follow a link to a candidate that was dropped.
func stat(c Candidate) (fs.FileInfo, error) {
	if c.Kind == Overwritten {
		return os.Stat(c.Path)
	}
	return os.Lstat(c.Path)
}

// notAFile says why only a regular file can be a candidate.
func notAFile(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return ""
	case mode.IsDir():
		return "it is a directory: put the file itself there"
	case mode&fs.ModeSymlink != 0:
		return "it is a symbolic link: put the file itself there, or a hard link"
	case mode&fs.ModeNamedPipe != 0:
		return "it is a named pipe (FIFO): put the file itself there"
	case mode&fs.ModeSocket != 0:
		return "it is a socket: put the file itself there"
	default:
		return "it is a device: put the file itself there"
	}
}
