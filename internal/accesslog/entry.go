// Package accesslog writes down what requests became: one line each, in the W3C extended format as IIS writes it, or as JSON; in one
// file, or in a folder for each site with files named as IIS names them. Another file is begun after a time or a size.
//
// Who logs never waits. Lines are put into memory, of which there is a limit, and one goroutine writes them. A disk that is full costs
// lines, which are counted, and never a request; a line is in the file as a whole or not at all.
package accesslog

import (
	"net/http"
	"net/netip"
	"time"
)

// Entry is what is logged of one request. Text that a client or an extension has made may hold anything: it is made harmless when it
// is written.
type Entry struct {
	Ended time.Time     // when the response had been sent or given up
	Took  time.Duration // from the first line of the request to that

	Site   string // name; "": no site has answered
	SiteID int    // 0: no site has answered

	Server     netip.AddrPort // that the client has connected to
	Client     string         // address, and what filters made of it (SF_NOTIFY_LOG)
	ClientPort int            // 0: not known, or Client is a filter's
	Method     string
	Path       string // decoded
	Query      string // as received, without "?"; "": none
	URL        string // path and query as received, for JSON
	Proto      string // "HTTP/1.1"
	Host       string // header of the request
	User       string // "": nobody in particular

	Status    int // 0: none was sent
	Substatus int
	Win32     uint32 // Windows error code; 64: the client went away
	Sent      int64  // bytes with headers
	Received  int64  // likewise
	Body      int64  // bytes of the response's body, for JSON

	Extension bool          // an extension, or filters, had it
	Inside    time.Duration // time inside the extension, if there was one
	LogData   string        // what the extension left in lpszLogData
	LogQuery  string        // HSE_APPEND_LOG_PARAMETER
	Fault     string        // contained fault of this request; "": none
	Broken    bool          // the response had begun and could not be completed
	Request   string        // its id in the log and in snoop; "": none
	Trace     string        // trace id, 32 hexadecimal digits; "": none

	In  http.Header // of the request, for cs(NAME); only read
	Out http.Header // of the response, for sc(NAME); only read, may be nil
}
