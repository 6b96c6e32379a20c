package hub

import (
	"encoding/binary"
	"encoding/json"
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
//
// On the stream it is a uint32, little-endian: the bytes that follow; a byte: the kind; and what belongs to it: unsigned varints, and texts
// with their length in front. Hello is JSON. What stands in a record after all that is known is passed over.
type Record struct {
	Kind    Kind
	Source  uint32 // a process: numbers are given once and never again by a server
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
	Worker string `json:"worker,omitempty"` // its name; "": the server itself
	Pid    int    `json:"pid"`
}

// Image is an image in a process.
type Image struct {
	Number     uint64 // in the process, as in events
	Path       string
	Pool       string
	Generation int
}

// headerSize is what is in front of each record: its length.
const headerSize = 4

// begin appends the beginning of a record, of which end fills in the length.
func begin(b []byte, k Kind) (more []byte, at int) { return append(b, 0, 0, 0, 0, byte(k)), len(b) }

func end(b []byte, at int) []byte {
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-headerSize))
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendHello(b []byte, h *Hello) []byte {
	text, _ := json.Marshal(h)
	b, at := begin(b, KindHello)
	return end(append(b, text...), at)
}

func appendProcess(b []byte, source uint32, p *Process) []byte {
	b, at := begin(b, KindProcess)
	b = binary.AppendUvarint(b, uint64(source))
	b = appendText(appendText(b, p.Pool), p.Worker)
	return end(binary.AppendUvarint(b, uint64(p.Pid)), at)
}

func appendImage(b []byte, source uint32, i *Image) []byte {
	b, at := begin(b, KindImage)
	b = binary.AppendUvarint(b, uint64(source))
	b = binary.AppendUvarint(b, i.Number)
	b = appendText(appendText(b, i.Path), i.Pool)
	return end(binary.AppendUvarint(b, uint64(i.Generation)), at)
}

// clip is a text that is not too long for a record.
func clip(s string) string { return s[:min(len(s), maxText)] }

// maxText is how much of a text about a request is told, in bytes.
const maxText = 8 << 10

func appendRequest(b []byte, source uint32, a *trace.About) []byte {
	b, at := begin(b, KindRequest)
	b = binary.AppendUvarint(b, uint64(source))
	b = binary.AppendUvarint(b, a.Request)
	for _, s := range [...]string{a.Site, a.App, a.Pool, a.Image, a.Client, a.URL, a.Method} {
		b = appendText(b, clip(s))
	}
	return end(b, at)
}

func appendBatch(b []byte, source uint32, p []byte) []byte {
	b, at := begin(b, KindBatch)
	b = binary.AppendUvarint(b, uint64(source))
	return end(append(b, p...), at)
}

func appendDropped(b []byte, n uint64) []byte {
	b, at := begin(b, KindDropped)
	return end(binary.AppendUvarint(b, n), at)
}

func appendAlive(b []byte) []byte {
	b, at := begin(b, KindAlive)
	return end(b, at)
}
