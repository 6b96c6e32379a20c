package worker

import (
	"sync/atomic"

	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/wire"
)

// crew runs requests on goroutines that are used again: a new one would grow its stack anew for each.
type crew struct {
	do   func(*extension.Extension, *wire.Exchange)
	work chan task
	idle atomic.Int32
}

type task struct {
	ext *extension.Extension
	x   *wire.Exchange
}

// maxIdle is how many goroutines are kept that have nothing to do.
const maxIdle = 64

func newCrew(do func(*extension.Extension, *wire.Exchange)) *crew {
	return &crew{do: do, work: make(chan task)}
}

// run has a request run; it does not wait.
func (c *crew) run(t task) {
	select {
	case c.work <- t:
	default:
		go c.member(t)
	}
}

// member ends when there are enough of its kind; the others end with the process.
func (c *crew) member(t task) {
	for {
		c.do(t.ext, t.x)
		t = task{}
		if c.idle.Add(1) > maxIdle {
			c.idle.Add(-1)
			return
		}
		t = <-c.work
		c.idle.Add(-1)
	}
}
