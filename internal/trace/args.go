package trace

// The arguments of an [Entry]. Texts are cut at [MostText] bytes, and copied: they may be foreign memory that is gone later.

// Num is a number.
func (c *Entry) Num(name string, v int64) { c.add(name, v, 0) }

// Hex is an address, or bits.
func (c *Entry) Hex(name string, v uint64) { c.add(name, int64(v), argHex) }

// Word is a name of the SDK's.
func (c *Entry) Word(name, word string) { c.addText(name, word, argWord, asItIs) }

// Text is a text.
func (c *Entry) Text(name, text string) { c.addText(name, text, 0, asItIs) }

// Bytes is Text for what may be foreign memory.
func (c *Entry) Bytes(name string, text []byte) {
	if a := c.addText(name, "", 0, asItIs); a != nil {
		c.copyText(a, text)
	}
}

// Header is the lines of a header: values of those that are secret are masked.
func (c *Entry) Header(name string, text []byte) {
	if a := c.addText(name, "", 0, maskLines); a != nil {
		c.copyText(a, text)
	}
}

// Value is the value of a variable or of a field of a header, which is masked if the name says that it is secret; and so are lines in it that
// are another field.
func (c *Entry) Value(name string, of, value []byte) {
	if a := c.addText(name, "", 0, max(maskOf(of), maskLines)); a != nil {
		c.copyText(a, value)
	}
}

// Secret is a text that is secret.
func (c *Entry) Secret(name string, text []byte) {
	if a := c.addText(name, "", 0, maskAll); a != nil {
		c.copyText(a, text)
	}
}

// Cut says that there was more of the last text.
func (c *Entry) Cut() {
	if c != nil && c.n > 0 {
		c.args[c.n-1].flags |= argCut
	}
}

// Body is the data that the call moves: what is there of it, and how long all of it is. Bytes beyond [Entry.BodyLimit] are not looked at.
func (c *Entry) Body(p []byte, size int64) {
	if c == nil {
		return
	}
	c.body, c.size = append(c.body[:0], p[:min(len(p), c.r.body)]...), size
}

// Raw is Body for the bytes of a connection, which are shown only to those who may see secrets.
func (c *Entry) Raw(p []byte, size int64) {
	c.Body(p, size)
	if c != nil {
		c.raw = true
	}
}

// Fault says that the call ended in a fault.
func (c *Entry) Fault(err error) {
	if c != nil && err != nil {
		c.out, c.fault = true, true
		c.addText(faultArg, err.Error(), argWord, asItIs)
	}
}

func (c *Entry) add(name string, v int64, flags byte) *arg {
	if c == nil || c.n == mostArgs {
		return nil
	}
	a := &c.args[c.n]
	c.n++
	*a = arg{name: name, num: v, flags: flags}
	if c.out {
		a.flags |= argOut
	}
	return a
}

func (c *Entry) addText(name, text string, flags byte, m mask) *arg {
	a := c.add(name, 0, flags|argText)
	if a == nil {
		return nil
	}
	a.mask = m
	if len(text) > MostText {
		text = text[:MostText]
		a.flags |= argCut
	}
	a.from = int32(len(c.texts))
	c.texts = append(c.texts, text...)
	a.to = int32(len(c.texts))
	return a
}

// copyText makes text that of a.
func (c *Entry) copyText(a *arg, text []byte) {
	if len(text) > MostText {
		text = text[:MostText]
		a.flags |= argCut
	}
	c.texts = append(c.texts, text...)
	a.to = int32(len(c.texts))
}
