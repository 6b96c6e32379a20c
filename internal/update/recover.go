package update

// Recovered is what [Files.Recover] found.
type Recovered struct {
	Run     string // hash of the run file, "" if there is none that can be read
	Serving string // hash of what the journal says is the run file, "" if it says nothing
	Last    *Entry // of the journal, nil if there is none
	Did     []string
}

// Recover finishes or undoes what a process that ended in the middle has left: temporary files, gaps in the numbers of backups, a newest backup
// that is what runs. To be called before the image is loaded. It says what it did, and what the journal says: where
// that has another hash than the run file, either the machine stopped between an entry and its Accept, or somebody has
// replaced the file since. What it found is valid also with an error.
func (f *Files) Recover() (Recovered, error) {
	return Recovered{}, errNotYet
}

// Trouble says why the files cannot be looked at or changed, and which rights are missing. nil: they can, as far as can be told without doing it.
func (f *Files) Trouble() error {
	return nil
}
