package swap

import (
	"encoding/json"
	"time"
)

// Outcome is how a swap ended, or how far it is.
type Outcome string

// The outcomes.
const (
	Running   Outcome = "running"    // it has not come to its commit
	Committed Outcome = "committed"  // the new version serves
	Rejected  Outcome = "rejected"   // the new version never served all requests: the old one serves on
	TakenBack Outcome = "taken back" // the new version served and was worse: the old one serves again
)

// Seconds is a duration that is a number of seconds in JSON.
type Seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (d Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).Seconds()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Seconds) UnmarshalJSON(b []byte) error {
	var s float64
	err := json.Unmarshal(b, &s)
	*d = Seconds(s * float64(time.Second))
	return err
}

// Build tells a version of an image from others.
type Build struct {
	SHA256      string `json:"sha256"`
	Size        int64  `json:"size"`
	BuildID     string `json:"build_id,omitempty"`
	Description string `json:"description,omitempty"` // what it said in GetExtensionVersion
}

// Receipt says what a swap did. It is printed, stored in the journal beside the image, and kept for the history.
type Receipt struct {
	ID      string  `json:"id"` // orders receipts of an image by time
	Image   string  `json:"image"`
	Who     string  `json:"who"`  // what began it: "proposal.update", "proposal.so was overwritten", "deploy by user 0", "rollback by user 0", "watch window"
	Mode    string  `json:"mode"` // overlap or hold
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"` // of an outcome other than committed

	From Build `json:"from"`
	To   Build `json:"to"`

	// Generations are those of the pool, or in-process the numbers of the image's loads, of each executor of the image.
	Generations []Generations `json:"generations,omitempty"`

	Began     time.Time  `json:"began"`
	Ready     *time.Time `json:"ready,omitempty"`     // loaded, and answering
	Verified  *time.Time `json:"verified,omitempty"`  // the probe was answered as it should
	Committed *time.Time `json:"committed,omitempty"` // the new version answers every request that begins after it
	Watched   *time.Time `json:"watched,omitempty"`   // the watch window has ended well
	Ended     *time.Time `json:"ended,omitempty"`     // the version that gave way is unloaded

	InFlight    int     `json:"in_flight"` // requests that were in the old version at the commit
	Held        int     `json:"held"`      // requests that waited because the old version had to end first
	LongestHold Seconds `json:"longest_hold_seconds"`
	Lost        int64   `json:"lost"` // requests that were answered by no version, for whatever reason

	Backup string `json:"backup,omitempty"` // file the old version is kept in
	Failed string `json:"failed,omitempty"` // file the rejected version is kept in
}

// Generations are the numbers of what was replaced and of what replaced it in one executor.
type Generations struct {
	Pool string `json:"pool"`
	Old  int    `json:"old"`
	New  int    `json:"new"`
}

// Step is something that happened in a swap, for whoever looks on.
type Step struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// State is an image and what is being done to it, for the status.
type State struct {
	Image   string    `json:"image"`
	Pools   []string  `json:"pools"`
	Serving Build     `json:"serving"`
	Since   time.Time `json:"since"`             // when that was loaded or committed
	Watched bool      `json:"watched"`           // its files are looked at
	Doing   string    `json:"doing,omitempty"`   // the last step of the swap that is under way
	Last    *Receipt  `json:"last,omitempty"`    // of the last swap since the server started
	Trouble string    `json:"trouble,omitempty"` // why its files cannot be looked at or changed
}
