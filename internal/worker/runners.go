package worker

import (
	"sync/atomic"

	"github.com/isapid/isapid/internal/extension"
	"github.com/isapid/isapid/internal/wire"
)

// runners run requests on goroutines that are used again: a new one would grow its stack anew for each.
type runners struct {
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

func newRunners(do func(*extension.Extension, *wire.Exchange)) *runners {
	return &runners{do: do, work: make(chan task)}
}

// run has a request run; it does not wait.
func (r *runners) run(t task) {
	select {
	case r.work <- t:
	default:
		go r.runner(t)
	}
}

// runner ends when there are enough of its kind; the others end with the process.
func (r *runners) runner(t task) {
	for {
		r.do(t.ext, t.x)
		t = task{}
		if r.idle.Add(1) > maxIdle {
			r.idle.Add(-1)
			return
		}
		t = <-r.work
		r.idle.Add(-1)
	}
}
