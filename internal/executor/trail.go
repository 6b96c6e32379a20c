package executor

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/isapid/isapid/internal/trace"
)

// Trail is what the server knows of one request on its way. Whoever has the request writes; who looks at requests in flight reads
// meanwhile. A nil *Trail may be used: it keeps nothing.
type Trail struct {
	ID       uint64 // never 0, and of no other request of this server
	Began    time.Time
	Trace    TraceContext    // zero: there is none
	Recorder *trace.Recorder // of whoever runs the request in this process; nil: nobody looks
	Steps    *Steps          // nil: nobody wants to know the times

	stage atomic.Int32
	place atomic.Pointer[Place]
	again atomic.Int32
}

// At notes how far the request is.
func (t *Trail) At(s Stage) {
	if t != nil {
		t.stage.Store(int32(s))
		if t.Steps != nil {
			t.Steps.add(s, nil)
		}
	}
}

// In notes where the request runs from now on.
func (t *Trail) In(p *Place) {
	if t != nil {
		t.place.Store(p)
		if t.Steps != nil {
			t.Steps.add(Stage(t.stage.Load()), p)
		}
	}
}

// Again notes that the request will be run once more, because the worker that had it is lost.
func (t *Trail) Again() {
	if t != nil {
		t.again.Add(1)
	}
}

// Now says how far the request is, where it runs (nil: nowhere yet), and how often it was begun: 0 if it runs nowhere, and more than 1 only
// if workers were lost. Filters in another worker than the extension and child requests do not count.
func (t *Trail) Now() (Stage, *Place, int) {
	if t == nil {
		return StageReceived, nil, 0
	}
	place := t.place.Load()
	if place == nil {
		return Stage(t.stage.Load()), nil, 0
	}
	return Stage(t.stage.Load()), place, 1 + int(t.again.Load())
}

// Number is the ID; 0 without a trail.
func (t *Trail) Number() uint64 {
	if t == nil {
		return 0
	}
	return t.ID
}

// Reset makes the trail that of a new request. Nobody may read it meanwhile.
func (t *Trail) Reset(id uint64, began time.Time) {
	t.ID, t.Began, t.Trace, t.Recorder, t.Steps = id, began, TraceContext{}, nil, nil
	t.stage.Store(int32(StageReceived))
	t.place.Store(nil)
	t.again.Store(0)
}

// Stage is how far a request is.
type Stage int32

// The stages, in order.
const (
	StageReceived Stage = iota // its head has been read
	StageHeld                  // it waits for a version of the image
	StageQueued                // it waits for a worker or a thread
	StageFilters               // filters have it
	StageRunning               // the extension has it
	StageSending               // the rest of the response is on its way
)

// String implements fmt.Stringer.
func (s Stage) String() string {
	return [...]string{"received", "held", "queued", "filters", "running", "sending"}[min(max(s, 0), StageSending)]
}

// Place is where requests run: one version of an image in one process. It does not change: whoever has a new one makes another.
type Place struct {
	Pool, Worker, Image string // Worker: its name, "" in this process. Image: path in the configuration
	SHA256              string
	Pid                 int // 0: this process
	Generation          int
	ImageID             uint64   // the number of the image in trace events
	Memo                sync.Map // what those who count by place keep with it; key: a type of their own
}

// TraceContext is the W3C trace context of a request.
type TraceContext struct {
	TraceID [16]byte
	SpanID  [8]byte // of the span that is the server's, or of the client's if the server makes none
	Sampled bool
	State   string // tracestate, as the client sent it
}

// Valid tells whether there is one.
func (c TraceContext) Valid() bool { return c.TraceID != [16]byte{} }
