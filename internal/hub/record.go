package hub

import (
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// ContentType is that of a stream.
const ContentType = "application/vnd.isapid.trace"

// Version is that of the records on a stream.
const Version = 1

// Kind is what a record tells.
type Kind uint8

// The kinds of records.
const (
	KindHello   Kind = 1 + iota // the first one; Hello
	KindProcess                 // Source is a process; Process
	KindImage                   // Source has an image with a number; Image
	KindRequest                 // Source has a request; About
	KindBatch                   // events of Source; Events
	KindDropped                 // so many events were dropped since the last one; Dropped
	KindAlive                   // nothing else for a while
	kinds
)

// Record is one record of a stream. Only the fields of its kind are set.
type Record struct {
	Kind    Kind
	Source  uint32 // a process: numbers are given once and never again on a stream
	Hello   Hello
	Process Process
	Image   Image
	About   trace.About // of a request
	Events  []byte      // for trace.Decode; valid until the next record is read
	Dropped uint64
}

// Hello is what a stream begins with.
type Hello struct {
	Version  int          `json:"version"`
	Software string       `json:"software"`
	ID       uint32       `json:"id"` // of the subscription
	Filter   trace.Filter `json:"filter"`
	Since    time.Time    `json:"since"`
	Missing  []Missing    `json:"missing,omitempty"` // processes that did not say in time that they listen
}

// Missing is a process that did not answer.
type Missing struct {
	Process
	Why string `json:"why"`
}

// Process is one that has images.
type Process struct {
	Pool   string `json:"pool,omitempty"`   // "": the server itself
	Worker string `json:"worker,omitempty"` // its name
	Pid    int    `json:"pid"`
}

// Image is an image in a process.
type Image struct {
	Number     uint64 // in the process, as in events
	Path       string
	Pool       string
	Generation int
}
