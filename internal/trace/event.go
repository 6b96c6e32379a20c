// Package trace is what can be seen of the calls between the server and images: what happened (events), who wants to know (taps), and how it
// is shown. It runs in the process that has the image, in the front, and in the commands; what comes from a worker is not trusted.
package trace

import (
	"time"

	"github.com/isapid/isapid/internal/isapi"
)

// Kind is what an event tells of a function.
type Kind uint8

// The kinds of events.
const (
	Enter Kind = 1 + iota // it was entered; what happens inside comes next
	Leave                 // it has returned
	Call                  // both at once, told when it returned
)

// Event is one entry, return or call.
type Event struct {
	Request      uint64 // ID of the request; 0: of none, as when an image is loaded
	Seq          uint64 // of the recorder, from 1
	Span, Parent uint32 // what it is, and is inside of, among those of the request; 0: nothing
	Kind         Kind
	Func         Func
	Code         uint32 // of functions that have one: HSE_REQ_*, SF_REQ_*, SF_NOTIFY_*
	Image        uint64 // number of the image in the process: about has its path
	Thread       int32
	At           time.Time // of the entry
	Took         time.Duration
	Result       int64
	Err          uint32 // last error; 0: none
	Args         []Arg
	Body         []byte // the first bytes of the data that was moved, as many as were asked for
	BodySize     int64  // all of it
	Masked       bool   // something was left out of Args because it is secret
}

// Arg is an argument, in words.
type Arg struct {
	Name   string
	Text   string // if IsText
	Num    int64  // else
	IsText bool
	Word   bool // Text is a name of the SDK, and not a text of the image
	Hex    bool // Num is an address, or bits
	Out    bool // the function gave it
	Cut    bool // Text is not all of it
}

// Filter says which events somebody wants to see. Of unset fields everything fits.
type Filter struct {
	// Of requests.
	Site    string  `json:"site,omitempty"`
	App     string  `json:"application,omitempty"` // path
	Pool    string  `json:"pool,omitempty"`
	Image   string  `json:"image,omitempty"`   // path, its last part, or that without extension
	Client  string  `json:"client,omitempty"`  // address, or network as 10.0.0.0/8
	URL     string  `json:"url,omitempty"`     // path, with * for anything
	Request uint64  `json:"request,omitempty"` // ID
	Sample  float64 `json:"sample,omitempty"`  // this part of them, from 0 to 1; 0: all

	// Of calls.
	Calls  []string      `json:"calls,omitempty"` // names, of any of them
	Errors bool          `json:"errors,omitempty"`
	Slower time.Duration `json:"slower,omitempty"` // nanoseconds; those that took longer

	// Of what is shown.
	Body    int  `json:"body,omitempty"` // bytes of each body
	Secrets bool `json:"secrets,omitempty"`
}

// Subscription is somebody who looks.
type Subscription struct {
	ID     uint32 `json:"id"`
	Filter Filter `json:"filter"`
}

// About is what a [Filter] looks at in a request.
type About struct {
	Request                                     uint64
	Site, App, Pool, Image, Client, URL, Method string
}

// Sink gets what was recorded, in pieces that [Decode] reads. It must not block, and keeps nothing of p.
type Sink interface {
	Batch(subscription uint32, p []byte, events, dropped int)
}

// Failed says whether the call has failed: it returned FALSE, or a status that is an error, or had a fault.
func (e *Event) Failed() bool {
	return e.Kind != Enter && failed(e.Func, e.Result, e.Err, e.faulted())
}

func (e *Event) faulted() bool {
	for i := range e.Args {
		if a := &e.Args[i]; a.Name == faultArg && a.Out {
			return true
		}
	}
	return false
}

// faultArg is the name of the argument that tells of a fault.
const faultArg = "fault"

func failed(f Func, result int64, err uint32, fault bool) bool {
	switch {
	case fault:
		return true
	case f == HttpExtensionProc:
		return result == isapi.StatusError || result > isapi.StatusError
	case f == HttpFilterProc:
		return result == isapi.FilterError
	case f == Completion:
		return err != 0
	case f == TerminateExtension || f == TerminateFilter:
		return false // what they return means nothing
	}
	return result == 0
}
