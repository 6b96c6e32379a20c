package front

import (
	"maps"
	"sync/atomic"

	"github.com/isapid/isapid/internal/executor"
)

// asked is what requests ask for an executor by.
type asked struct {
	image string
	app   *executor.App
}

// known are the executors that requests have asked for before, so that the next one finds them without a lock, and need not know what all
// decides on a key. The zero value knows none.
type known struct {
	all atomic.Pointer[map[asked]*entry] // never changed: when another is known, another map takes its place
}

// mostKnown bounds them: each is added to a copy of all. The cache is asked for the rest each time.
const mostKnown = 500

// find is nil for one that is not known, or that the cache has no more.
func (n *known) find(a asked) *entry {
	all := n.all.Load()
	if all == nil {
		return nil
	}
	if e := (*all)[a]; e != nil && !e.gone.Load() {
		return e
	}
	return nil
}

// add adds an entry that is ready and has no error.
func (n *known) add(a asked, e *entry) {
	for {
		old := n.all.Load()
		next := map[asked]*entry{}
		if old != nil {
			if len(*old) >= mostKnown {
				return
			}
			next = maps.Clone(*old)
		}
		next[a] = e
		if n.all.CompareAndSwap(old, &next) {
			return
		}
	}
}
