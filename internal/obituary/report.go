// Package obituary keeps what is known of each death of a worker and of each fault that was contained: one
// file each, for whoever has to find the cause. A [Book] writes them, [List] and [Read] read them back, [Report.Print] shows them to people.
//
//	report.go   what is in an obituary
//	board.go    the last calls, from the memory in which threads note them
//	book.go     writing: one goroutine, a limit for crash loops, only so many files are kept
//	read.go     reading files that anybody may have written
//	print.go    the text for people
package obituary

import (
	"encoding/json"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// Kind says what an obituary is about.
type Kind string

// The kinds.
const (
	Death Kind = "death" // a worker process ended
	Fault Kind = "fault" // a fault was contained: the process lives on, at least for a while
)

// Report is an obituary. Only Kind and At are always there.
type Report struct {
	ID         string    `json:"id"` // the name of its file without ".json"; the book gives it
	Kind       Kind      `json:"kind"`
	At         time.Time `json:"at"`
	Server     string    `json:"server,omitempty"` // name and version of the program; the book gives it
	Pool       string    `json:"pool,omitempty"`
	Worker     string    `json:"worker,omitempty"` // "" in the server's process
	Pid        int       `json:"pid,omitempty"`
	Generation int       `json:"generation,omitempty"`

	How    string `json:"how"`              // exit code or signal; of a fault the text in the log
	Reason string `json:"reason,omitempty"` // what is known besides: "killed: …"
	Image  string `json:"image,omitempty"`  // path in the configuration of the image that is to blame, as far as is known
	Crash  *Crash `json:"fault,omitempty"`  // the fault; nil: none was seen, as after kill -9

	Hand     *Request  `json:"request,omitempty"`   // the one that the faulting thread had in hand
	InFlight []Request `json:"in_flight,omitempty"` // all that were inside, the oldest first
	More     int       `json:"in_flight_more,omitempty"`
	Hung     []Request `json:"hung,omitempty"`    // those that had been answered for the worker, because they took longer than request_timeout
	Threads  []Thread  `json:"threads,omitempty"` // the last calls of those that had been inside of images, the newest first

	Memory *Memory `json:"memory,omitempty"`
	Age    Seconds `json:"age_seconds"` // of the process
	Served int64   `json:"requests"`
	Lost   int64   `json:"lost_requests"`

	Images []Image  `json:"images,omitempty"` // that the process had loaded
	Output []string `json:"output,omitempty"` // the last lines it wrote to its standard output and error
	Log    []string `json:"log,omitempty"`    // the last lines in the server's log about it
	Done   []string `json:"done,omitempty"`   // what was done about it, in sentences

	Unwritten int `json:"unwritten,omitempty"` // deaths before this one that got no obituary, because there were too many
}

// Crash is a fault of native code.
type Crash struct {
	Signal  string  `json:"signal,omitempty"` // "SIGSEGV"; "" when the code called exit
	Meaning string  `json:"meaning,omitempty"`
	Call    string  `json:"call,omitempty"` // the function of the image that was called
	Text    string  `json:"text"`
	Addr    string  `json:"address,omitempty"` // "0x10", if the signal has one
	Image   string  `json:"image,omitempty"`   // file in which the code lies that is to blame
	Offset  string  `json:"offset,omitempty"`  // "0x1139" in it, as addr2line takes it
	Symbol  string  `json:"symbol,omitempty"`
	Stack   []Frame `json:"stack,omitempty"` // innermost first
	Request uint64  `json:"-"`               // number of the request that the thread had in hand; 0: none
}

// Frame is one function call of a native stack.
type Frame struct {
	PC     string `json:"pc"`
	Image  string `json:"image,omitempty"`
	Offset string `json:"offset,omitempty"` // in Image
	Symbol string `json:"symbol,omitempty"`
	Line   string `json:"line,omitempty"` // "file.c:12"
}

// Request is one that was inside.
type Request struct {
	ID     string  `json:"id,omitempty"`
	Method string  `json:"method,omitempty"`
	URL    string  `json:"url,omitempty"`
	Client string  `json:"client,omitempty"`
	Image  string  `json:"image,omitempty"`
	Age    Seconds `json:"age_seconds"`
}

// Thread is one of the process.
type Thread struct {
	ID   int32  `json:"id"`
	Open []Call `json:"inside,omitempty"` // calls that had not returned, outermost first
	Last []Call `json:"last,omitempty"`   // those that had, and these, newest last
}

// Call is a call of an image, or by one.
type Call struct {
	Name    string  `json:"name"`
	Request string  `json:"request,omitempty"` // ID
	Error   uint32  `json:"error,omitempty"`
	Running bool    `json:"running,omitempty"` // it had not returned
	Faulted bool    `json:"faulted,omitempty"`
	Ago     Seconds `json:"ago_seconds"` // its entry, before the obituary was made
}

// Memory is what a process used, in bytes.
type Memory struct {
	Resident int64 `json:"resident_bytes,omitempty"` // when it was looked at last
	Private  int64 `json:"private_bytes,omitempty"`
	Most     int64 `json:"most_resident_bytes,omitempty"` // at any time
}

// Image is a loaded image.
type Image struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256,omitempty"`
}

// Seconds is a duration that is a number of seconds in JSON.
type Seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (d Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).Seconds()) }

// UnmarshalJSON implements [json.Unmarshaler]. What does not fit into a duration is the longest there is.
func (d *Seconds) UnmarshalJSON(b []byte) error {
	var s float64
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	const most = float64(1<<63-1) / float64(time.Second)
	*d = Seconds(max(min(s, most/2), -most/2) * float64(time.Second))
	return nil
}

// CrashOf is a fault as an obituary has it; nil for nil.
func CrashOf(f *executor.FaultInfo) *Crash {
	if f == nil {
		return nil
	}
	c := &Crash{Signal: f.Signal, Meaning: f.Meaning, Call: f.Call, Text: f.Text, Addr: hex(f.Addr), Request: f.Request}
	for _, fr := range f.Stack {
		c.Stack = append(c.Stack, Frame{PC: hex(fr.PC), Image: fr.Image, Offset: hex(fr.Offset), Symbol: fr.Symbol, Line: fr.Line})
	}
	if at := blamed(c.Stack); at != nil {
		c.Image, c.Offset, c.Symbol = at.Image, at.Offset, at.Symbol
	}
	return c
}
