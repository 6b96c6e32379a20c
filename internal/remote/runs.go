package remote

import (
	"iter"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// running is a request inside a worker.
type running struct {
	image       *Image
	id          uint64 // of its trail; 0: it has none
	app         *executor.App
	method, url string
	client      string // its address
	since       time.Time

	next, prev *running
}

func (r *running) inside() Inside {
	in := Inside{Request: r.id, Image: r.image.path, Method: r.method, URL: r.url, Client: r.client, Since: r.since}
	if r.app != nil {
		in.Site, in.App = r.app.SiteName, r.app.Path
	}
	return in
}

// runs are the requests inside a worker, the newest first.
type runs struct {
	first  *running
	n      int
	byID   map[uint64]*running // of those that have an ID
	recent [256]uint64         // the IDs of the last ones that are not inside any more
	gone   int
}

func (l *runs) add(r *running) {
	if r.next = l.first; r.next != nil {
		r.next.prev = r
	}
	l.first = r
	l.n++
	if r.id != 0 {
		l.byID[r.id] = r
	}
}

func (l *runs) remove(r *running) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		l.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	l.n--
	if r.id == 0 {
		return
	}
	l.recent[l.gone%len(l.recent)] = r.id
	l.gone++
	if l.byID[r.id] == r {
		delete(l.byID, r.id)
	}
}

func (l *runs) all() iter.Seq[*running] {
	return func(yield func(*running) bool) {
		for r := l.first; r != nil && yield(r); r = r.next {
		}
	}
}

// known are the IDs of the requests that are inside or were lately.
func (l *runs) known() map[uint64]struct{} {
	ids := make(map[uint64]struct{}, len(l.byID)+len(l.recent))
	for id := range l.byID {
		ids[id] = struct{}{}
	}
	for _, id := range l.recent[:min(l.gone, len(l.recent))] {
		ids[id] = struct{}{}
	}
	return ids
}

// knows says whether a request is inside, or was lately.
func (l *runs) knows(id uint64) bool {
	if id == 0 {
		return false
	}
	if l.byID[id] != nil {
		return true
	}
	for _, one := range l.recent[:min(l.gone, len(l.recent))] {
		if one == id {
			return true
		}
	}
	return false
}
