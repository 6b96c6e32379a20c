package executor

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Version is one build of an image: bytes that do not change, wherever the file the image is known by goes. The zero value is what
// lies at the image's own path.
type Version struct {
	File    string // absolute path of the bytes, a copy that nobody changes; "": the image's own path
	SHA256  string // of the bytes, hexadecimal: loading others fails. "": whatever they are
	Size    int64  // in bytes
	BuildID string // GNU build id, hexadecimal; "" if there is none
}

// Why an executor replaces nothing now, which says nothing about a version.
var (
	ErrStopped  = errors.New("the pool is stopped") // by the operator
	ErrDraining = errors.New("earlier versions have not ended")
)

// Replaceable is an executor whose image can be replaced while it runs requests.
type Replaceable interface {
	Executor

	// Replace loads another version and returns when that could serve: its GetExtensionVersion said yes and a thread of it answered.
	// No request is routed to it. An error means that everything is as it was, and says why. Replacements of executors that
	// share processes follow one another: Replace waits for its turn, and while two earlier versions still drain. The caller
	// must end the replacement with Settle or Revert.
	Replace(ctx context.Context, v Version, how Replacing) (Replacement, error)
}

// Replacing says how a version replaces another.
type Replacing struct {
	// Hold is for code that may not run twice at a time: new requests wait in the queue (of Options.Queue places, for
	// Options.QueueWait) while the old version finishes and is unloaded, then the new one is loaded. When it does not come up, the old one is
	// loaded again and serves those who waited. Without it both versions are there for a while and nobody waits.
	Hold   bool
	Reason string // for logs and the status
}

// Replacement is the replacement of one version by another, from the moment the new one is ready. One goroutine takes it
// through its life; Execute and Progress may be called by others.
type Replacement interface {
	// Description is what the new version said in HSE_VERSION_INFO.
	Description() string

	// Execute runs a request in the new version, whatever is routed where.
	Execute(w http.ResponseWriter, r *http.Request, t *Target) Result

	// Share routes a part of the new requests, from 0 to 1, to the new version. It does nothing when requests are held.
	Share(part float64)

	// Commit routes all requests that begin from now on to the new version, those that are held too. The old one stays loaded and
	// finishes what it has; if requests were held it is gone already. Commit does not wait.
	Commit()

	// Revert routes requests to the old version again, before or after Commit, and has the new one finish what it has and end.
	// It returns when requests are answered by the old version: at once, unless that is not loaded any more or may not run beside
	// the new one. An error means that the old version could not be loaded again; requests get whatever the executor
	// answers without an image.
	Revert(ctx context.Context) error

	// Settle has the old version end, after Commit, and returns when it has, or when ctx ends: it goes on then. An error
	// names what did not end by itself.
	Settle(ctx context.Context) error

	// Progress may be asked at any time.
	Progress() Progress
}

// Progress is what a replacement has come to.
type Progress struct {
	OldGeneration, NewGeneration int

	// What both versions have done: the old one since it served, the new one since it was ready.
	Old, New Tally

	OldInside int           // requests that are in the old version now
	Held      int           // requests that have waited because the old version had to end first
	Longest   time.Duration // the longest of those waits
	Lost      int64         // requests of either version, since the replacement began, that got no answer of the extension, whatever the reason
	Down      string        // why the new version cannot go on (its worker died while it loaded…); "": it can
}

// Tally is what requests have shown of a version. Requests that say nothing about it are not in it: those refused before they
// reached it, and those lost with a worker that was killed from outside.
type Tally struct {
	Requests int64         // that ended
	Errors   int64         // of them answered 500 to 599, or broken off
	Crashes  int64         // faults that were contained, and deaths of processes that nobody asked for
	Lost     int64         // requests that ended without an answer of the extension, also those killed from outside or at the end of a drain
	Median   time.Duration // of the time requests took
	P95      time.Duration
}
