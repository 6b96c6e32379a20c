// Package metrics counts what happens and tells it to Prometheus. What is counted for each request costs a few atomic additions; all else
// is looked up when somebody asks. The names, and what they mean, are in docs/metrics.md.
package metrics

import (
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/swap"
	"github.com/isapid/isapid/internal/trace"
)

// DefaultHistogram are the upper bounds of the buckets that times of requests are counted in.
var DefaultHistogram = []time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second,
}

// Metrics is what one server has counted. Its methods may be called by many goroutines.
type Metrics struct {
	bounds   []time.Duration
	requests requests
	events   events
	calls    calls
	own      own
}

// New has counted nothing. The histogram are upper bounds, ascending; nil: [DefaultHistogram].
func New(histogram []time.Duration) *Metrics {
	if len(histogram) == 0 {
		histogram = DefaultHistogram
	}
	m := &Metrics{bounds: histogram}
	m.requests.init(histogram)
	m.events.init()
	m.calls.init()
	m.own.init()
	return m
}

// Facts are what is counted of a request that has ended.
type Facts struct {
	Site        string // "": none was found
	Application string // path; "": likewise
	Pool, Image string // that were to answer, for a request that came to no place; "": a file, or an error page

	Place *executor.Place // where it ran last; nil: in no image
	Runs  int             // how often it was begun: more than once if workers were lost

	Status         int // as sent; 0: nothing could be sent
	Took           time.Duration
	Received, Sent int64 // bytes from and to the client
	Broken         bool  // the response had begun and could not be completed
	Gone           bool  // the client left before its end
}

// Ended counts a request. It costs some ten nanoseconds, and takes a lock only for the first of its kind.
func (m *Metrics) Ended(f *Facts) { m.requests.series(f).add(f) }

// Swapped counts a swap that has come to its outcome.
func (m *Metrics) Swapped(r *swap.Receipt) { m.events.swapped(r) }

// Found counts a finding that was made that often.
func (m *Metrics) Found(f *executor.Finding, times int) { m.events.found(f, times) }

// Count counts for an image what it publishes itself (HSE_REQ_COUNTER): labels are pairs of name and value. What is out of bounds is
// counted as refused.
func (m *Metrics) Count(pool, image, name string, labels []string, delta float64) {
	m.own.count(pool, image, name, labels, delta)
}

// Process is one that runs images.
type Process struct {
	Pool, Worker string // "": the server itself
	Pid          int
}

// Calls counts what the board of a process says. It may be told as often as one likes; what a process did between the last time and its
// end is not counted.
func (m *Metrics) Calls(p Process, b *trace.Board) { m.calls.told(p, b) }
