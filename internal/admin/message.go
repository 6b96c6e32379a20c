package admin

import (
	"time"

	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

// The paths. Those that only look at what is there anyway are asked with GET and have their fields in the query; the others with POST and a
// JSON object, which may be left out where no field is needed; deploy has its fields in the query and a file for a body.
const (
	pathStatus   = "/v1/status"
	pathRecycle  = "/v1/recycle"
	pathStop     = "/v1/stop"
	pathStart    = "/v1/start"
	pathReload   = "/v1/reload"
	pathDrain    = "/v1/drain"
	pathDeploy   = "/v1/deploy"
	pathRollback = "/v1/rollback"
	pathHistory  = "/v1/history"
	pathSnoop    = "/v1/snoop"
	pathRecord   = "/v1/record"
	pathCrashes  = "/v1/crashes"
	pathReopen   = "/v1/reopen"
	pathMetrics  = "/metrics"
)

// PoolRequest names a pool: what recycle, stop and start are asked with.
type PoolRequest struct {
	Pool   string `json:"pool"`             // as [Status.Named] takes it
	Reason string `json:"reason,omitempty"` // of a recycle, for the log; at most maxReason bytes
}

// maxReason is the longest reason, in bytes.
const maxReason = 256

// PoolResult answers recycle, stop and start: the pools that are meant, as they were just before. What was begun shows in the status.
type PoolResult struct {
	Before []Pool `json:"before"` // empty: the pool has loaded nothing yet
}

// ReloadResult is what reading the configuration again has changed.
type ReloadResult struct {
	Changes []Change `json:"changes"` // empty: nothing differs
}

// Change is one part of a configuration that differs from what it was.
type Change struct {
	What   string `json:"what"`   // `pool "legacy"`, `site "shop"`, "limits"
	Effect string `json:"effect"` // what was done about it: "recycled", "added", "takes effect at the next start"
}

// DrainResult answers drain.
type DrainResult struct {
	Running int64 `json:"running"` // requests that the server waits for
}

// RollbackRequest asks for a version that is kept beside an image.
type RollbackRequest struct {
	Image string `json:"image"`          // as [FindImage] takes it
	To    string `json:"to,omitempty"`   // as [ParseVersion] takes it
	Wait  bool   `json:"wait,omitempty"` // until the swap has ended
}

// SwapLine is one line of the answer to deploy and rollback. It has either a step or, the last one, a receipt or an error.
type SwapLine struct {
	Step    *swap.Step    `json:"step,omitempty"`
	Receipt *swap.Receipt `json:"receipt,omitempty"`
	Error   *Error        `json:"error,omitempty"`
	Status  int           `json:"status,omitempty"` // HTTP status the error would have had before the first line
}

// HistoryRequest asks for the receipts of an image.
type HistoryRequest struct {
	Image string `json:"image"`          // as [FindImage] takes it
	Last  int    `json:"last,omitempty"` // at most so many; 0: all that are kept
}

// HistoryResult answers history.
type HistoryResult struct {
	Image    string         `json:"image"`    // path
	Receipts []swap.Receipt `json:"receipts"` // the newest first
}

// RecordRequest asks for a tape.
type RecordRequest struct {
	Filter trace.Filter `json:"filter"`
	Mask   bool         `json:"mask,omitempty"` // secrets
}

// Crash is a death of a worker, or a fault in the server's process, that is kept on file.
type Crash struct {
	ID    string    `json:"id"` // its file, without folder and extension
	At    time.Time `json:"at"`
	Pool  string    `json:"pool,omitempty"`
	Image string    `json:"image,omitempty"` // that was to blame, as far as one can tell
	Text  string    `json:"text"`            // what happened, in a line
}

// CrashesResult answers crashes without an id.
type CrashesResult struct {
	Crashes []Crash `json:"crashes"` // the newest first
}

// Error is what the server answers instead of a result.
type Error struct {
	Code    int    `json:"-"` // HTTP status
	Message string `json:"error"`
	Hint    string `json:"hint,omitempty"` // what to do about it
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "\n" + e.Hint
}
