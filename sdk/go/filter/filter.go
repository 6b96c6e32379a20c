//go:build cgo

package filter

import "sync"

// Filter is what a filter does: it gets the notifications that have a function here.
type Filter struct {
	Description string // for the host's log; at most 256 bytes
	Order       Order  // its turn among filters
	Ports       Ports  // which connections it sees

	ReadRawData     func(*Context, *RawData) (Status, error)        // bytes were received
	PreprocHeaders  func(*Context, *Headers) (Status, error)        // the request's head is complete, nothing is decided yet
	URLMap          func(*Context, *URLMap) (Status, error)         // a path is mapped to a file
	Authentication  func(*Context, *Authentication) (Status, error) // before name and password are looked at
	AuthComplete    func(*Context, *AuthComplete) (Status, error)   // it is known who asks
	AccessDenied    func(*Context, *AccessDenied) (Status, error)   // 401 is about to be the answer
	SendResponse    func(*Context, *Headers) (Status, error)        // the response's head is about to be sent
	SendRawData     func(*Context, *RawData) (Status, error)        // bytes are about to be sent
	EndOfRequest    func(*Context) (Status, error)
	Log             func(*Context, *Log) (Status, error) // the request is about to be logged
	EndOfNetSession func(*Context)                       // the connection has ended; its Value is forgotten after it

	Terminate func() // the filter is given up: it is called once, when no function runs any more
}

// Status is what happens after a function, SF_STATUS_REQ_*.
type Status uint32

// The statuses. An error goes before any of them.
const (
	Finished         Status = 0x08000000 + iota // the filter has answered; the connection is closed
	FinishedKeepConn                            // the filter has answered
	Next                                        // go on
	Handled                                     // go on, but show this to no other filter
	failed
	ReadNext // ReadRawData: come again with more
)

// Order is a filter's turn among others.
type Order uint32

// The orders. The one that is first of all events is last of SendRawData: it is the closest to the client.
const (
	Low    Order = 0 // or unset
	Medium Order = 0x40000
	High   Order = 0x80000
)

// Ports says which connections a filter sees.
type Ports uint32

// The kinds of connections.
const (
	AllPorts       Ports = 0
	SecurePorts    Ports = 1
	NonsecurePorts Ports = 2
)

// The events, for [Context.Disable]: SF_NOTIFY_*.
const (
	EventSendResponse    = 0x40
	EventEndOfRequest    = 0x80
	eventEndOfNetSession = 0x100
	EventLog             = 0x200
	EventSendRawData     = 0x400
	EventAccessDenied    = 0x800
	EventURLMap          = 0x1000
	EventAuthentication  = 0x2000
	EventPreprocHeaders  = 0x4000
	EventReadRawData     = 0x8000
	EventAuthComplete    = 0x04000000
)

// flags is what the filter registers for.
func (f *Filter) flags() uint32 {
	flags := uint32(f.Order) | uint32(f.Ports) | eventEndOfNetSession // the last to let go of Value
	if f.Ports == AllPorts {
		flags |= uint32(SecurePorts | NonsecurePorts)
	}
	if f.Order == Low {
		flags |= 0x20000
	}
	for event, wanted := range map[uint32]bool{
		EventReadRawData: f.ReadRawData != nil, EventPreprocHeaders: f.PreprocHeaders != nil, EventURLMap: f.URLMap != nil,
		EventAuthentication: f.Authentication != nil, EventAuthComplete: f.AuthComplete != nil, EventAccessDenied: f.AccessDenied != nil,
		EventSendResponse: f.SendResponse != nil, EventSendRawData: f.SendRawData != nil, EventEndOfRequest: f.EndOfRequest != nil,
		EventLog: f.Log != nil,
	} {
		if wanted {
			flags |= event
		}
	}
	return flags
}

// registered is what the main package said. It is a package variable because the ABI knows one filter per library.
var registered struct {
	sync.Mutex
	filter *Filter
}

// Register makes f the filter of this library. Call it from an init function or the initialiser of a package variable: the host
// refuses a library that has none when it has been loaded. The last call wins.
func Register(f Filter) {
	registered.Lock()
	defer registered.Unlock()
	registered.filter = &f
}

func current() *Filter {
	registered.Lock()
	defer registered.Unlock()
	return registered.filter
}
