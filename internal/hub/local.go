package hub

import (
	"context"
	"os"

	"github.com/isapid/isapid/internal/trace"
)

// Local is this process as a source: the images that it runs itself.
type Local struct {
	Tap      *trace.Tap                          // that of all of them
	Images   func(number uint64) (Image, bool)   // [Source.Image]
	Requests func(id uint64) (trace.About, bool) // [Source.Request]
}

// Source methods.

// Trace implements [Source].
func (l *Local) Trace(_ context.Context, list []trace.Subscription, to trace.Sink) error {
	return l.Tap.Set(list, to)
}

// Process implements [Source].
func (l *Local) Process() Process { return Process{Pid: os.Getpid()} }

// Image implements [Source].
func (l *Local) Image(number uint64) (Image, bool) { return l.Images(number) }

// Request implements [Source].
func (l *Local) Request(id uint64) (trace.About, bool) { return l.Requests(id) }
