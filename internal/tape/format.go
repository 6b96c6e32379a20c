// Package tape keeps requests with the calls that images made for them, in a file that can be played again: to another build of an image, to
// see what it does in another way. It is the regression test for code that has only its binary.
//
//	format.go    what is on a tape
//	writer.go    writing one
//	reader.go    reading one, which anybody may have made
//	recorder.go  making entries of requests and of events
//	body.go      the bodies on their way
//	compare.go   what differs between two entries
//	player.go    sending the requests of a tape
//
// A tape is lines of JSON, compressed with gzip if its name ends in ".gz". The first line is a [Header], each other one an [Entry] or a [Gap]. What comes
// before the end of a tape that was cut off can be used.
package tape

import "time"

// Version is that of the format.
const Version = 1

// Header is the first line of a tape: where and how the requests ran.
type Header struct {
	Version  int       `json:"isapid_tape"`
	Software string    `json:"software"` // that recorded it
	Made     time.Time `json:"made"`
	Masked   bool      `json:"masked,omitempty"` // secrets were replaced: requests with some may be answered in another way
	Filter   string    `json:"filter,omitempty"` // what was recorded, in words
	Image    string    `json:"image,omitempty"`  // path, if only requests of one were recorded
	Sites    []Site    `json:"sites"`
	Images   []Image   `json:"images"` // those of the sites, as far as they were loaded
}

// Site is a site of the configuration, as far as images can see it.
type Site struct {
	Name         string        `json:"name"`
	ID           int           `json:"id"`
	Root         string        `json:"root"`
	Static       bool          `json:"static,omitempty"`
	Documents    []string      `json:"default_documents,omitempty"`
	Directories  []Directory   `json:"virtual_directories,omitempty"`
	Filters      []string      `json:"filters,omitempty"` // of all sites, then of this one
	Applications []Application `json:"applications"`
}

// Directory is a virtual directory.
type Directory struct {
	Path      string `json:"path"`
	Directory string `json:"directory"`
}

// Application is one of a site.
type Application struct {
	Path      string    `json:"path"`
	Directory string    `json:"directory,omitempty"`
	Pool      string    `json:"pool"`
	Mode      string    `json:"mode"` // of the pool
	Threads   int       `json:"threads"`
	Stack     int       `json:"stack,omitempty"`
	Handlers  []Handler `json:"handlers,omitempty"`
	Filters   []string  `json:"filters,omitempty"`
}

// Handler is one of an application.
type Handler struct {
	Path      string   `json:"path"`
	ISAPI     bool     `json:"isapi,omitempty"`
	Extension string   `json:"extension,omitempty"`
	Static    bool     `json:"static,omitempty"`
	Methods   []string `json:"methods,omitempty"`
	MustExist bool     `json:"must_exist,omitempty"`
	PathInfo  bool     `json:"path_info,omitempty"`
}

// Image is an image in the version that was recorded.
type Image struct {
	Path        string `json:"path"`
	SHA256      string `json:"sha256,omitempty"`
	Description string `json:"description,omitempty"`
}

// Entry is one request, and what became of it.
type Entry struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Took     float64   `json:"seconds"`
	Site     string    `json:"site"`
	Image    string    `json:"image,omitempty"` // path of the extension that answered
	Request  Request   `json:"request"`
	Response Response  `json:"response"`
	Calls    []Call    `json:"calls,omitempty"`
	Lost     int       `json:"calls_lost,omitempty"` // events that were dropped while it ran: Calls is not all
	Cut      string    `json:"cut,omitempty"`        // why it cannot be played again
}

// Gap says that requests are not on the tape: they came faster than the tape could be written.
type Gap struct {
	Missing int64 `json:"missing"` // how many; at least one
}

// Request is what the client sent.
type Request struct {
	Method  string `json:"method"`
	Target  string `json:"target"` // as in the request line
	Proto   string `json:"proto"`
	Host    string `json:"host"`
	Header  Fields `json:"headers"` // without Host, in the order in which they came if that is known
	Body    []byte `json:"body,omitempty"`
	Chunked bool   `json:"chunked,omitempty"`
	TLS     bool   `json:"tls,omitempty"`
	Client  string `json:"client,omitempty"`
	User    string `json:"user,omitempty"`
}

// Response is what the server answered, before HTTP added what belongs to the connection.
type Response struct {
	Status int    `json:"status"` // 0: nothing was sent
	Header Fields `json:"headers"`
	Body   []byte `json:"body,omitempty"`
	Broken bool   `json:"broken,omitempty"` // it had begun and was not completed
}

// Fields are lines of a header: name and value.
type Fields [][2]string

// Call is an export that the server called, or a function that an image called, in the order of their beginnings.
type Call struct {
	Name   string `json:"call"`
	Depth  int    `json:"depth,omitempty"` // inside of how many others
	Args   []Arg  `json:"args,omitempty"`
	Result int64  `json:"result"`
	Error  uint32 `json:"error,omitempty"` // last error
	Open   bool   `json:"open,omitempty"`  // it did not return
	Span   uint32 `json:"-"`
}

// Arg is an argument of a call.
type Arg struct {
	Name string `json:"name"`
	Text string `json:"text"`          // a number in decimal
	Out  bool   `json:"out,omitempty"` // the function gave it
	Hex  bool   `json:"hex,omitempty"` // an address, or bits
	Cut  bool   `json:"cut,omitempty"`
}
