package wire

import "encoding/binary"

// lendAfter is how much of a body goes through the socket before a region is lent, in bytes. A WINDOW for so much of an answer is sent
// anyway, so that lending costs no message.
const lendAfter = Window / 4

// sharedPiece is how much goes between a region and a client at a time, in bytes: the worker has the other half meanwhile.
const sharedPiece = regionSize / 2

// window is how many bytes of a body may be on their way.
func (g *ring) window() int {
	if g.region == nil {
		return Window
	}
	return regionSize
}

// loan is a region as the front lends it to an exchange, for its answer or for its request body.
type loan struct {
	ring
	asked bool // for one more region, because there was none
}

// loans are those of a Call, which guards all but the places in them.
type loans struct {
	down, up loan
	keeps    bool // who is given the answer may look at it after he said that he is done
	over     bool // END is here: the worker does not touch them any more
	left     bool // nor does this end
}

// lend has the rest of a body go through a region if there is one, and gives the LEND that says so, to be sent before anything is
// put there. body tells the request body from the answer.
func (c *Call) lend(n *loan, body bool) (frame []byte) {
	if !c.l.odd || n.region != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return nil
	}
	if n.region = c.l.mem.take(); n.region != nil {
		b := begin(nil, kLend, 0, c.id)
		return end(appendBool(appendUint(b, n.region.number), body), 0)
	}
	if !n.asked {
		n.asked = true
		if frame, file := c.l.mem.make(); file != nil {
			c.l.writeWithFile(frame, file)
		}
	}
	return nil
}

// endLoans: the worker has sent END. c.mu is held.
func (c *Call) endLoans() {
	if c.loans.over = true; c.loans.left {
		c.returnRegions()
	}
}

// leaveLoans: nobody of this end touches the regions of this exchange any more.
func (c *Call) leaveLoans() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.regions() {
		r.drop()
	}
	if c.loans.left = true; c.loans.over {
		c.returnRegions()
	}
}

// returnRegions lets other exchanges have them: neither end touches them for this one. c.mu is held.
func (c *Call) returnRegions() {
	for _, r := range c.regions() {
		c.l.mem.put(r)
	}
}

func (c *Call) regions() (all []*region) {
	for _, n := range []*loan{&c.loans.down, &c.loans.up} {
		if n.region != nil {
			all = append(all, n.region)
		}
	}
	return all
}

// borrow is a LEND. One that comes when the exchange is over here does nothing: the front learns that from END.
func (x *Exchange) borrow(f *frame) error {
	d := decoder{b: f.payload}
	n, body := d.uint(), d.bool()
	if err := d.end("LEND"); err != nil {
		return err
	}
	if x.l.odd {
		return protocolError("LEND by a worker")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	g := &x.down
	if body {
		g = &x.up
	}
	switch {
	case x.over:
		return nil
	case g.region != nil:
		return protocolError("LEND to exchange %d, which has a region", x.id)
	}
	r, err := x.l.mem.lend(n)
	if err != nil {
		return err
	}
	g.region = r
	if !body {
		x.window += regionSize - Window
		poke(x.windowWake)
	}
	return nil
}

// giveBack: this end does not touch the regions of this exchange any more. It waits for whoever is just doing so.
func (x *Exchange) giveBack() {
	x.touching.Lock()
	defer x.touching.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	for _, g := range []*ring{&x.down, &x.up} {
		if g.region != nil {
			x.l.mem.takeBack(g.region)
			g.region = nil
		}
	}
}

// share puts bytes of the answer into the region. If reading them faults, nothing has changed; see data.
func (x *Exchange) share(p []byte) error {
	x.touching.RLock()
	defer x.touching.RUnlock()
	g := &x.down
	if g.region == nil {
		return goneError(BodyReset) // the exchange is over
	}
	copy(g.mem, p[copy(g.mem[g.pos:], p):])
	g.move(len(p))
	var count [4]byte
	binary.LittleEndian.PutUint32(count[:], uint32(len(p)))
	x.appendData(flagRegion, count[:])
	x.shared += len(p)
	return nil
}

// fromRegion reads what has come through the region.
func (x *Exchange) fromRegion(p []byte) (int, error) {
	x.touching.RLock()
	defer x.touching.RUnlock()
	g := &x.up
	if g.region == nil {
		return 0, goneError(BodyReset)
	}
	n := copy(p, g.next(x.inRegion()))
	g.move(n)
	return n, x.consumed(n, true)
}

func (x *Exchange) inRegion() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.upUnread
}
