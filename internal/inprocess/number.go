package inprocess

import (
	"sync"

	"github.com/isapid/isapid/internal/executor"
)

// numbers are the loadings of this process, which events name by number.
var numbers = numbering{places: map[uint64]*executor.Place{}}

type numbering struct {
	mu     sync.Mutex // guards all below
	last   uint64
	places map[uint64]*executor.Place
	ended  []uint64 // oldest first
}

// mostEnded is how many loadings are known when they are over: events of them may be on their way.
const mostEnded = 64

// give gives a number to a loading, which p is the place of.
func (n *numbering) give(p *executor.Place) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	p.ImageID = n.last
	n.places[p.ImageID] = p
}

// end tells that a loading is over.
func (n *numbering) end(p *executor.Place) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = append(n.ended, p.ImageID)
	if len(n.ended) > mostEnded {
		delete(n.places, n.ended[0])
		n.ended = n.ended[1:]
	}
}

// PlaceOf is where the image with a number runs, or has run lately, in this process; nil: there is none. It is not to be changed.
func PlaceOf(number uint64) *executor.Place {
	numbers.mu.Lock()
	defer numbers.mu.Unlock()
	return numbers.places[number]
}
