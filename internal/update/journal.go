package update

import (
	"encoding/json"
	"time"
)

// Entry is one line of the journal.
type Entry struct {
	Time time.Time `json:"time"`
	Kind string    `json:"kind"` // "trial", "committed"…: the words of whoever writes it

	// Serving is the hash of what is the run file from this entry on; "" in an entry that changes nothing. When it is written before
	// Accept, the journal names the version that is tried, whenever the machine stops: see [Recovered].
	Serving string `json:"serving,omitempty"`

	Data json.RawMessage `json:"data,omitempty"` // a receipt, for example
}

// journalSize is what is known of the journal file since the last entry of this process.
type journalSize struct {
	bytes int64
	lines int
}

// Append adds an entry to the journal and returns when it is on the disk. Time is filled in if it is zero. A journal of more than 1000
// entries is cut to the last 500.
func (f *Files) Append(e Entry) error {
	return errNotYet
}

// Journal returns the entries, oldest first. Lines that are none, such as one that was cut off when the machine stopped, are
// left out. A journal that does not exist is empty.
func (f *Files) Journal() ([]Entry, error) {
	return nil, errNotYet
}
