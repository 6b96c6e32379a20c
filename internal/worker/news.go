package worker

import (
	"strings"
	"sync"
	"time"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/wire"
)

// news is what images do that the front is told of, though not each time: what they must not, and counters. What is new is told at once,
// what is more of the same after newsEvery.
type news struct {
	tell func(topic string, payload []byte)

	mu     sync.Mutex // guards all below
	timer  *time.Timer
	armed  bool
	finds  map[find]*finding
	counts map[uint64]map[string]*wire.Counter // by image, then by name and labels
}

const (
	newsEvery = time.Second
	maxFinds  = 256              // that differ, and are told of in newsEvery
	maxSeries = wire.MaxCounters // counters of an image with different labels, likewise
	maxLabels = 16               // texts of a counter
)

// find is what makes two findings alike.
type find struct {
	image uint64
	kind  executor.FindingKind
	call  string
	at    string // the innermost frame of the stack
}

// finding is the last one of its like, and how many are not told.
type finding struct {
	last  executor.Finding
	times int
}

// found is told of each finding.
func (n *news) found(image uint64, f *executor.Finding) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := find{image: image, kind: f.Kind, call: f.Call}
	if len(f.Stack) > 0 {
		key.at = f.Stack[0]
	}
	seen := n.finds[key]
	switch {
	case seen != nil:
		seen.last = *f
		seen.times++
	case len(n.finds) < maxFinds:
		if n.finds == nil {
			n.finds = map[find]*finding{}
		}
		n.finds[key] = &finding{}
		n.tell(wire.NoteFound, wire.EncodeFound(image, f, 1))
		n.later()
	}
}

// count is told of each change of a counter.
func (n *news) count(image uint64, name string, labels []string, delta float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	series := n.counts[image]
	if series == nil {
		series = map[string]*wire.Counter{}
		if n.counts == nil {
			n.counts = map[uint64]map[string]*wire.Counter{}
		}
		n.counts[image] = series
	}
	key := name + "\x00" + strings.Join(labels, "\x00")
	c := series[key]
	if c == nil {
		if len(series) == maxSeries || len(labels) > maxLabels {
			return
		}
		c = &wire.Counter{Name: name, Labels: append([]string(nil), labels...)}
		series[key] = c
	}
	c.Delta += delta
	n.later()
}

// later has the rest told in a while. n.mu is held.
func (n *news) later() {
	if n.armed {
		return
	}
	n.armed = true
	if n.timer == nil {
		n.timer = time.AfterFunc(newsEvery, n.due)
	} else {
		n.timer.Reset(newsEvery)
	}
}

// due tells what is not told. What has not come again is forgotten: it is new when it comes.
func (n *news) due() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.armed = false
	for key, seen := range n.finds {
		if seen.times == 0 {
			delete(n.finds, key)
		}
	}
	n.tellAll()
	if len(n.finds) > 0 {
		n.later()
	}
}

// flush tells what is not told.
func (n *news) flush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tellAll()
}

// tellAll is flush. n.mu is held.
func (n *news) tellAll() {
	for key, seen := range n.finds {
		if seen.times > 0 {
			n.tell(wire.NoteFound, wire.EncodeFound(key.image, &seen.last, seen.times))
			seen.times = 0
		}
	}
	for image, series := range n.counts {
		list := make([]wire.Counter, 0, len(series))
		for _, c := range series {
			list = append(list, *c)
		}
		n.tell(wire.NoteCounter, wire.EncodeCounters(image, list))
	}
	clear(n.counts)
}
