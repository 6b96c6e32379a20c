package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// Most is how many may listen at a time.
const Most = 8

// Why nobody can listen.
var (
	ErrMany   = errors.New("too many listen already")
	ErrFilter = errors.New("filter cannot be read")
)

// Source is a process whose calls can be listened to. The methods may be called from several goroutines.
type Source interface {
	// Trace says who listens, all of them. It returns when that is so, or ctx is over.
	Trace(ctx context.Context, list []trace.Subscription) error
	Process() Process
	// Image is the image with a number; false: there is none.
	Image(number uint64) (Image, bool)
	// Request is what a request is about, while the process has it; false: it has none with this ID.
	Request(id uint64) (trace.About, bool)
}

// Hub knows who listens, and to what. Make it with [New].
type Hub struct {
	software string
	mu       sync.Mutex // guards all below
	streams  map[uint32]*Stream
}

// New makes a hub. The software is told at the beginning of each stream.
func New(software string) *Hub { return &Hub{software: software, streams: map[uint32]*Stream{}} }

// Add has a process listened to from now on. It returns when those who listen are told to it, or 2 s have passed. Remove ends it. The sink
// is where the process gives what it records.
func (h *Hub) Add(s Source) (sink trace.Sink, remove func()) { return nil, func() {} }

// Attach has somebody listen. It returns when all processes have said that they know, or 2 s have passed: who is missing is in the first
// record. Close ends it.
func (h *Hub) Attach(ctx context.Context, who string, f trace.Filter) (*Stream, error) {
	return nil, errors.ErrUnsupported
}

// Listener is somebody who listens.
type Listener struct {
	ID      uint32
	Who     string
	Filter  trace.Filter
	Since   time.Time
	Events  uint64 // given to him
	Dropped uint64
}

// Listeners are those who listen, in the order in which they came.
func (h *Hub) Listeners() []Listener { return nil }
