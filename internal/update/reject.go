package update

// Reject puts a candidate aside as NAME.failed, beside a text with the reason, and returns the path. An earlier pair goes. Where
// the run file was overwritten, old, what is in force, takes its place again. A candidate that is gone or was changed again is left
// alone, and nothing is done for one that was given: failed is "" then.
//
// After an error the same candidate is not found by Look again until it is changed.
func (f *Files) Reject(c Candidate, old Copy, reason string) (failed string, err error) {
	return "", errNotYet
}

// TakeBack undoes an Accept: the run file is put aside as NAME.failed, beside a text with the reason, and old, what ran before, takes
// its place again; it is not a backup any more. failed is the path. A run file that was overwritten since is left alone, a candidate for
// Look, and failed is "".
func (f *Files) TakeBack(old Copy, reason string) (failed string, err error) {
	return "", errNotYet
}

// Keep makes a backup of old before anything is tried. It is for a run file that was overwritten: until the candidate is accepted or
// rejected, old exists nowhere else but in memory and temporary folders, which do not survive the machine. Accept takes this
// backup for its own, Reject removes it.
func (f *Files) Keep(old Copy) error {
	return errNotYet
}
