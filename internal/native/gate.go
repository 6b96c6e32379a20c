//go:build windows || (unix && cgo)

package native

import "sync/atomic"

// gate lets callbacks into a handler while it is open, and counts them, so that whoever closes it can wait for those inside. The
// zero gate is closed.
type gate[H any] struct {
	handler H // valid between enter and leave
	isOpen  atomic.Bool
	state   atomic.Int64 // callbacks inside; openBit when more may enter; waitBit when close waits for the last
	drained chan struct{}
}

const (
	openBit = 1 << 40
	waitBit = 1 << 41
)

// open lets callbacks into h. The gate must be closed.
func (g *gate[H]) open(h H) {
	g.handler = h
	g.state.Add(openBit) // to what is not 0 while a late caller of the last handler is on its way out
	g.isOpen.Store(true)
}

// enter keeps the handler alive until leave, which the caller owes if it is true. It is false when the gate is closed.
func (g *gate[H]) enter() bool {
	if !g.isOpen.Load() {
		return false
	}
	if g.state.Add(1)&openBit == 0 {
		g.leave()
		return false
	}
	return true
}

func (g *gate[H]) leave() {
	if g.state.Add(-1) == waitBit && g.state.CompareAndSwap(waitBit, 0) {
		close(g.drained)
	}
}

// close lets no more callbacks in and waits for those that are inside. One that is closed stays so.
func (g *gate[H]) close() {
	if !g.isOpen.CompareAndSwap(true, false) {
		return
	}
	if g.state.CompareAndSwap(openBit, 0) {
		return
	}
	g.drained = make(chan struct{})
	g.state.Add(waitBit + 1 - openBit) // one inside is close itself, so that somebody leaves last
	g.leave()
	<-g.drained
}
