package wire

import (
	"errors"
	"io"
	"sync"
)

// pump sends the rest of a request body, as far as the other end allows. It reads nothing before it is asked to, so that a
// client that waits for "100 Continue" gets it when the extension reads.
type pump struct {
	c *Call

	mu      sync.Mutex // guards all below
	wake    *sync.Cond
	credit  int
	paused  bool // the last read failed in a way that may pass: the next CREDIT has it tried again
	reading bool
	stopped bool
	eof     bool
	done    chan struct{}
}

// credit is a CREDIT of the other end.
func (c *Call) credit(f *frame) error {
	n, err := f.number()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return nil
	}
	if c.body == nil {
		return protocolError("CREDIT for a body that is complete")
	}
	p := c.pump
	if p == nil {
		p = &pump{c: c, done: make(chan struct{})}
		p.wake = sync.NewCond(&p.mu)
		c.pump = p
		c.tasks.Go(p.run)
	}
	return p.add(n)
}

// add is called with c.mu held.
func (p *pump) add(n uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if window := p.c.loans.up.window(); n > regionSize || p.credit+int(n) > window {
		return protocolError("CREDIT of more than %d bytes", window)
	}
	p.credit += int(n)
	p.paused = false
	p.wake.Signal()
	return nil
}

// next waits for credit and says how much there is; 0 is the end.
func (p *pump) next() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for (p.credit == 0 || p.paused) && !p.stopped {
		p.wake.Wait()
	}
	if p.stopped {
		return 0
	}
	p.reading = true
	return p.credit
}

func (p *pump) run() {
	defer close(p.done)
	buf := make([]byte, headerSize+maxData)
	sent, up := 0, &p.c.loans.up
	for {
		room := p.next()
		if room == 0 {
			return
		}
		if sent >= lendAfter {
			if lend := p.c.lend(up, true); lend != nil {
				p.c.l.write(lend)
			}
		}
		into := buf[headerSize:]
		if up.region != nil {
			into = up.next(sharedPiece)
		}
		n, err := p.c.body.Read(into[:min(room, len(into))])
		why, limit := bodyErrorOf(err)
		over := err != nil && why != BodyTimeout
		p.mu.Lock()
		p.reading = false
		p.credit -= n
		p.paused = err != nil
		p.eof = errors.Is(err, io.EOF)
		stopped := p.stopped
		p.mu.Unlock()
		if stopped {
			return
		}
		flags := uint8(0)
		if err != nil && why == BodyFine {
			flags = flagEnd
		}
		switch {
		case n > 0 && up.region != nil:
			up.move(n)
			b := appendNumber(buf[:0], kBody, p.c.id, uint32(n))
			b[5] = flags | flagRegion
			p.c.l.write(b)
		case n > 0 || flags != 0:
			appendHeader(buf[:0], kBody, flags, p.c.id, n)
			p.c.l.write(buf[:headerSize+n])
		}
		sent += n
		if err != nil && why != BodyFine {
			b := appendUint(begin(nil, kBody, flagFailed, p.c.id), uint64(why))
			p.c.l.write(end(appendUint(b, uint64(limit)), 0))
		}
		if over {
			return
		}
	}
}

// stop ends the pump and says whether it got to the end of the body.
func (p *pump) stop() (eof bool) {
	p.mu.Lock()
	p.stopped = true
	p.wake.Signal()
	reading := p.reading
	p.mu.Unlock()
	if reading && p.c.interrupt != nil {
		p.c.interrupt()
	}
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.eof
}
