package update

import "errors"

var errNotYet = errors.New("not written yet")

// ErrGone says that a candidate is not there any more, or not as it was: somebody has changed it, or another process took it.
var ErrGone = errors.New("it was changed or taken away meanwhile")

// Accept makes a candidate what runs, and returns the path of the backup, "" if none was made. old is what was in force: it is
// kept as the newest of so many backups, unless that has the same bytes already, or the candidate has. The candidate gets mode
// and owner of the old run file as far as this process may give them; where the run file was a symbolic link, the file takes the
// place of the link. Of a run file that was overwritten only the backup is made.
//
// After an error everything is as it was, and the error says at which step. It is [ErrGone] if the candidate is not the
// one that was looked at.
func (f *Files) Accept(c Candidate, old Copy, backups int) (backup string, err error) {
	return "", errNotYet
}
