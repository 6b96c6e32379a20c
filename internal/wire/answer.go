package wire

import (
	"io"
	"net/http"
	"os"
)

func (c *Call) takeHead(f *frame) error {
	h, err := decodeHead(f.payload)
	if err != nil {
		return err
	}
	if c.began {
		return protocolError("HEAD after HEAD")
	}
	hdr := c.w.Header()
	if h.status < 200 {
		kept := hdr.Clone()
		setHeader(hdr, h.header)
		c.w.WriteHeader(h.status)
		clear(hdr)
		setHeader(hdr, kept)
		return nil
	}
	setHeader(hdr, h.header)
	c.asker.Head(h.status, h.reason)
	c.began = true
	c.w.WriteHeader(h.status)
	c.flush(f)
	return nil
}

func setHeader(h, from http.Header) {
	for name, values := range from {
		h[name] = values
	}
}

func (c *Call) takeData(f *frame) error {
	if !c.began {
		return protocolError("DATA before HEAD")
	}
	if f.flags&flagRegion == 0 {
		c.deliver(f.payload)
	} else {
		left, _ := f.shared()
		for g := &c.loans.down; left > 0; {
			p := g.next(min(left, sharedPiece))
			c.deliver(p)
			g.move(len(p))
			left -= len(p)
			c.acknowledge()
		}
	}
	c.flush(f)
	c.acknowledge()
	return nil
}

// deliver gives bytes to the client.
func (c *Call) deliver(p []byte) {
	if !c.gone && len(p) > 0 {
		if _, err := c.w.Write(p); err != nil {
			c.lost(err)
		}
	}
	c.unacked += len(p)
}

// acknowledge gives the other end back what was taken of its window, when that is enough to be worth a message.
func (c *Call) acknowledge() {
	enough := lendAfter
	if c.loans.down.region != nil {
		enough = regionSize / 2
	}
	if c.unacked < enough {
		return
	}
	c.mu.Lock()
	c.queued -= c.unacked
	c.mu.Unlock()
	b := appendNumber(nil, kWindow, c.id, uint32(c.unacked))
	c.unacked = 0
	if !c.gone && !c.loans.keeps {
		b = append(b, c.lend(&c.loans.down, false)...)
	}
	c.l.write(b)
}

func (c *Call) flush(f *frame) {
	if f.flags&flagFlush == 0 || c.gone {
		return
	}
	if err := http.NewResponseController(c.w).Flush(); err != nil {
		c.lost(err)
	}
}

// lost tells the other end that nobody takes the answer any more.
func (c *Call) lost(err error) {
	c.gone = true
	why, _ := bodyErrorOf(err)
	if why != BodyTimeout {
		why = BodyReset
	}
	c.l.write(appendNumber(nil, kGone, c.id, uint32(why)))
}

// takeFile sends part of a regular file, and tells how much it was.
func (c *Call) takeFile(f *frame, file *os.File) error {
	d := decoder{b: f.payload}
	off, n := d.int(1<<62), d.int(1<<62)
	if err := d.end("FILE"); err != nil {
		return err
	}
	if !c.began {
		return protocolError("FILE before HEAD")
	}
	sent, ok := int64(0), false
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && !c.gone {
		if _, err = file.Seek(off, io.SeekStart); err == nil {
			sent, err = io.Copy(c.w, &io.LimitedReader{R: file, N: n})
		}
		if ok = err == nil; !ok {
			c.lost(err)
		}
	}
	b := begin(nil, kReply, 0, c.id)
	if !ok {
		b[5] |= flagFailed
	}
	b = appendUint(b, 0)
	c.mu.Lock()
	c.filing = false
	c.mu.Unlock()
	c.l.write(end(appendUint(b, uint64(sent)), 0))
	return nil
}
