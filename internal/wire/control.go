package wire

import (
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// PlainByEnv is the name of a variable in the environment. Where it is 1, front and worker of the same program speak by a plain stream on a
// Unix system, too. It is for tests: what is true of a worker under Wine can be seen there without it.
const PlainByEnv = "ISAPID_PLAIN"

// FrontHello is what a front says first, in JSON.
type FrontHello struct {
	Version         int    `json:"version"`
	Name            string `json:"name"` // of the worker, for its own use in messages
	NoNewPrivileges bool   `json:"no_new_privileges"`
	Board           string `json:"board,omitempty"` // on a plain link: path of the file that is the board; "": there is none
	Unix            bool   `json:"unix,omitempty"`  // paths are those of a Unix system, though the worker is a Windows program

	Environment []string `json:"environment,omitempty"` // variables ("NAME=text") that the process gives itself: Wine has values of its own for some
	Sandbox     *Sandbox `json:"sandbox,omitempty"`     // nil: none
}

// Sandbox is what a worker keeps of files and network.
type Sandbox struct {
	Files   bool     `json:"files"` // restricted to Read, Write and what most programs need of the system
	Read    []string `json:"read,omitempty"`
	Write   []string `json:"write,omitempty"`
	Network bool     `json:"network"` // TCP is restricted to these ports
	Connect []uint16 `json:"connect,omitempty"`
	Bind    []uint16 `json:"bind,omitempty"`
}

// WorkerHello is what a worker says first.
type WorkerHello struct {
	Version  int    `json:"version"`
	Software string `json:"software"`
	Pid      int    `json:"pid"`
	System   string `json:"system"`         // as Go names it: "linux", "windows"
	Arch     string `json:"arch"`           // likewise: "amd64", "386"
	Wine     string `json:"wine,omitempty"` // the version of Wine that it runs in; "": it does not
}

// Questions of the front that concern no request. The payload is an [Image] in JSON.
const (
	AskLoad   = "load"   // answer: the description; "no": why. The file of Options.Version is removed when this is answered
	AskUnload = "unload" // answered when the image is unloaded, however long its requests take
	AskPing   = "ping"   // answered by a thread of the image
	AskTrace  = "trace"  // the payload is a list of [trace.Subscription] in JSON: all who listen. Answered when that is so; no: why
	AskStop   = "stop"
)

// Notes of a worker.
const (
	NoteReady     = "ready"     // it has done what the greeting said
	NoteLog       = "log"       // a Record
	NoteFaulted   = "faulted"   // a contained fault; see EncodeFault
	NoteUnhealthy = "unhealthy" // a notice: HSE_REQ_REPORT_UNHEALTHY
	NoteFound     = "found"     // an image did what it must not; see EncodeFound
	NoteCounter   = "counter"   // counters of an image went up: HSE_REQ_COUNTER; see EncodeCounters. At most one a second
)

// Notes of a front.
const (
	NoteEnded = "ended" // the connection with this number, of [Filtered], has ended
	NoteLevel = "level" // from which level on lines are logged; see EncodeLevel
)

// EncodeEnded is the payload of [NoteEnded].
func EncodeEnded(connection uint64) []byte { return appendUint(nil, connection) }

// DecodeEnded is its other end.
func DecodeEnded(p []byte) (connection uint64, err error) {
	d := decoder{b: p}
	connection = d.uint()
	return connection, d.end("end of a connection")
}

// Image is what a front asks a worker to load, unload or ping.
type Image struct {
	ID      uint64  `json:"id"`
	Path    string  `json:"path,omitempty"`
	Level   int     `json:"level,omitempty"` // of its log, as in slog
	Options Options `json:"options,omitzero"`
}

// Options are the fields of [executor.Options] that travel.
type Options struct {
	Name      string
	Threads   int
	Stack     int
	Queue     int
	QueueWait time.Duration
	ReadAhead int
	Pending   time.Duration
	Flush     time.Duration
	OnFault   executor.FaultPolicy
	Staging   string
	Place     string
	Version   executor.Version
	Filter    bool

	Generation int
	Checks     executor.Checks
}

// OptionsOf takes what can travel.
func OptionsOf(o executor.Options) Options {
	return Options{o.Name, o.Threads, o.Stack, o.Queue, o.QueueWait, o.ReadAhead, o.Pending, o.Flush, o.OnFault, o.Staging, o.Place, o.Version, o.Filter, o.Generation, o.Checks}
}

// Executor is the other end of [OptionsOf].
func (o Options) Executor() executor.Options {
	return executor.Options{
		Name: o.Name, Threads: o.Threads, Stack: o.Stack, Queue: o.Queue, QueueWait: o.QueueWait, ReadAhead: o.ReadAhead,
		Pending: o.Pending, Flush: o.Flush, OnFault: o.OnFault, Staging: o.Staging, Place: o.Place, Version: o.Version,
		Filter: o.Filter, Generation: o.Generation, Checks: o.Checks,
	}
}

// EncodeNotice is the payload of a note about an image.
func EncodeNotice(image uint64, text string) []byte { return append(appendUint(nil, image), text...) }

// DecodeNotice is its other end.
func DecodeNotice(p []byte) (image uint64, text string, err error) {
	d := decoder{b: p}
	image = d.uint()
	text, d.b = string(d.b), nil
	return image, text, d.end("notice")
}
