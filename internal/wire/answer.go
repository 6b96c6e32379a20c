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
	if !c.gone && len(f.payload) > 0 {
		if _, err := c.w.Write(f.payload); err != nil {
			c.lost(err)
		}
	}
	c.flush(f)
	if c.unacked += len(f.payload); c.unacked >= Window/4 {
		c.acknowledge()
	}
	return nil
}

func (c *Call) acknowledge() {
	c.mu.Lock()
	c.queued -= c.unacked
	c.mu.Unlock()
	c.l.write(appendNumber(nil, kWindow, c.id, uint32(c.unacked)))
	c.unacked = 0
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
