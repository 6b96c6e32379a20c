package update

import "time"

// Backup is a version that gave way.
type Backup struct {
	Path   string
	SHA256 string
	Size   int64     // in bytes
	Kept   time.Time // when it gave way, by the clock of the file system
}

// Backups lists the versions that gave way, newest first. It reads all of them. What is not a regular file or cannot be read is left out,
// and named in the error.
func (f *Files) Backups() ([]Backup, error) {
	return nil, errNotYet
}
