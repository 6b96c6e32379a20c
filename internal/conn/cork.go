package conn

import (
	"net"
	"sync"
)

// corkSize is how much a cork holds back.
const corkSize = 64 << 10

// cork is what waits to be sent together. Guarded by Conn.out.
type cork struct {
	corked bool
	kept   []byte // from corkBuffers, or nil
}

var corkBuffers = sync.Pool{New: func() any { return new([corkSize]byte) }}

// Cork holds back what is written from now on until [Conn.Uncork], so that a head and many pieces leave as one system
// call. Up to 64 KiB are copied and kept; beyond that, what is kept and the piece that did not fit leave together.
// A second Cork does nothing, and over TLS, where each record is sealed on its own, so does the first. The end of the
// response and Close uncork.
func (c *Conn) Cork() {
	if c == nil || c.kind.Load() != plain {
		return
	}
	c.out.Lock()
	defer c.out.Unlock()
	c.corked = true
	c.held.Store(true)
}

// Uncork sends what was held back. The error is that of the connection; writes between Cork and Uncork may already
// have reported success for bytes that are lost then.
func (c *Conn) Uncork() error {
	if c == nil || !c.held.Load() {
		return nil
	}
	c.out.Lock()
	defer c.out.Unlock()
	err := c.flush()
	c.corked = false
	c.held.Store(c.reason.set)
	return err
}

// flush sends what is kept. The caller holds out.
func (c *Conn) flush() error {
	if c.kept == nil {
		return nil
	}
	_, err := c.send(c.kept)
	c.dropKept()
	return err
}

func (c *Conn) dropKept() {
	corkBuffers.Put((*[corkSize]byte)(c.kept[:corkSize]))
	c.kept = nil
}

// keep adds p to what is held back, or sends both. The caller holds out.
func (c *Conn) keep(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if len(c.kept)+len(p) <= corkSize {
		if c.kept == nil {
			c.kept = corkBuffers.Get().(*[corkSize]byte)[:0]
		}
		c.kept = append(c.kept, p...)
		return nil
	}
	if c.kept == nil {
		_, err := c.send(p)
		return err
	}
	err := c.sendAll(net.Buffers{c.kept, p})
	c.dropKept()
	return err
}

// writeHeld is Write while a reason or a cork is pending.
func (c *Conn) writeHeld(p []byte) (int, error) {
	c.out.Lock()
	defer c.out.Unlock()
	if c.kind.Load() != plain {
		return c.send(p) // ciphertext
	}
	line, rest := c.takeStatusLine(p)
	c.held.Store(c.corked || c.reason.set)
	var err error
	switch {
	case c.corked:
		if err = c.keep(line); err == nil {
			err = c.keep(rest)
		}
	case line != nil:
		err = c.sendAll(net.Buffers{line, rest})
	default:
		return c.send(p)
	}
	if err != nil {
		return 0, err // how much of p is unknown, and nobody can use it: the connection is broken
	}
	return len(p), nil
}

// release ends cork and reason at the end of a response.
func (c *Conn) release() {
	c.out.Lock()
	defer c.out.Unlock()
	_ = c.flush() // an error shows at the next read
	c.corked = false
	c.reason = reason{}
	c.held.Store(false)
}
