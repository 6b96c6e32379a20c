// Package gate is a door that counts who is inside, so that it can be closed and waited for.
package gate

import (
	"context"
	"sync/atomic"
)

// Gate counts those inside. It can be closed, and opened again. Its zero value has no use: make it with [New]. Entering takes no
// lock.
type Gate struct {
	inside atomic.Int64
	closed atomic.Bool
	empty  chan struct{} // has an element when the last one left a closed gate
}

// New is an open gate. It must not be copied afterwards.
func New() Gate { return Gate{empty: make(chan struct{}, 1)} }

// Enter answers false if the gate is closed. Who got in must leave.
func (g *Gate) Enter() bool {
	g.inside.Add(1)
	if g.closed.Load() {
		g.Leave()
		return false
	}
	return true
}

// Leave is for who got in.
func (g *Gate) Leave() {
	if g.inside.Add(-1) == 0 && g.closed.Load() {
		g.tell()
	}
}

// Inside is how many there are, at most: who finds the gate closed counts for a moment.
func (g *Gate) Inside() int { return int(g.inside.Load()) }

// Close lets nobody in any more.
func (g *Gate) Close() { g.closed.Store(true) }

// Open lets them in again.
func (g *Gate) Open() { g.closed.Store(false) }

// Closed says whether it is.
func (g *Gate) Closed() bool { return g.closed.Load() }

// Wait waits until nobody is inside the closed gate, and answers nil, or the cause of the end of ctx when that comes first.
func (g *Gate) Wait(ctx context.Context) error {
	for g.inside.Load() > 0 {
		select {
		case <-g.empty:
		case <-ctx.Done():
			if g.inside.Load() > 0 {
				return context.Cause(ctx)
			}
		}
	}
	g.tell() // whoever else waits
	return nil
}

func (g *Gate) tell() {
	select {
	case g.empty <- struct{}{}:
	default:
	}
}
