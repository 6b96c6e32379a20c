package update

import "time"

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
	SHA256 string // of its bytes, hexadecimal; "" when Refuse says that they could not be read
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

// sighting is a candidate and since when it is unchanged.
type sighting struct {
	stamp  Stamp
	since  time.Time
	sha256 string
}

// Look says whether there is a candidate. It changes nothing, never waits for anybody, and finds the same candidate until that
// is accepted, rejected or changed. NAME.update goes before a run file that was overwritten.
func (f *Files) Look() Sight {
	return Sight{}
}
