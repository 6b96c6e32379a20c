// Package taps reads the arguments of the calls of images, as far as extensions and filters have the same, for those who look at them with
// package trace. What it reads is foreign memory: [Look] says how.
package taps

import (
	"bytes"
	"strings"
	"unicode/utf16"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
)

const pageSize = 4096

// Look runs f, which looks at foreign memory. Where that cannot be read the call is shown without the rest, and goes on as if nobody looked.
func Look(c *trace.Entry, f func()) {
	if native.Protect(func() isapi.Error { f(); return isapi.OK }) != isapi.OK {
		c.Word("memory", "unreadable")
	}
}

// text is the beginning of the text at p, up to its NUL or the most that is shown of one. Of n bytes at most, unless n is negative.
func text(p uintptr, n int) []byte {
	most := trace.MostText + 1
	if n >= 0 {
		most = min(most, n)
	}
	for have := 0; have < most; {
		at := p + uintptr(have)
		chunk := min(pageSize-int(at%pageSize), most-have)
		if i := bytes.IndexByte(native.Bytes(at, chunk), 0); i >= 0 {
			return native.Bytes(p, have+i)
		}
		have += chunk
	}
	return native.Bytes(p, most)
}

// Text is a text that ends in a NUL.
func Text(c *trace.Entry, name string, p uintptr) {
	if p == 0 {
		c.Word(name, "NULL")
		return
	}
	c.Bytes(name, text(p, -1))
}

// Header is Text for the lines of a header, of n bytes at most; n 0: up to the NUL.
func Header(c *trace.Entry, name string, p uintptr, n uint32) {
	switch {
	case p == 0:
		c.Word(name, "NULL")
	case n == 0:
		c.Header(name, text(p, -1))
	default:
		c.Header(name, text(p, int(min(n, 1<<20))))
	}
}

// Secret is Text for what is secret.
func Secret(c *trace.Entry, name string, p uintptr) {
	if p == 0 {
		c.Word(name, "NULL")
		return
	}
	c.Secret(name, text(p, -1))
}

// Value is the value of what the entry said first, which decides whether it is secret: a text with a NUL.
func Value(c *trace.Entry, name string, p uintptr) {
	if p == 0 {
		c.Word(name, "NULL")
		return
	}
	c.Value(name, c.Said(0), text(p, -1))
}

// Wide is Text in UTF-16.
func Wide(c *trace.Entry, name string, p uintptr) {
	if p == 0 {
		c.Word(name, "NULL")
		return
	}
	c.Text(name, wide(p))
}

func wide(p uintptr) string {
	var u []uint16
	for len(u) <= trace.MostText {
		v := native.Read[uint16](p + uintptr(2*len(u)))
		if v == 0 {
			break
		}
		u = append(u, v)
	}
	return string(utf16.Decode(u))
}

// Number is the DWORD at p.
func Number(c *trace.Entry, name string, p uintptr) {
	if p == 0 {
		c.Word(name, "NULL")
		return
	}
	c.Num(name, int64(native.Read[uint32](p)))
}

// Body is n bytes that the call moves.
func Body(c *trace.Entry, p uintptr, n int64) {
	if n > 0 {
		c.Body(native.Bytes(p, int(min(n, int64(c.BodyLimit())))), n)
	}
}

// Raw is Body for the bytes of a connection.
func Raw(c *trace.Entry, p uintptr, n int64) {
	if n > 0 {
		c.Raw(native.Bytes(p, int(min(n, int64(c.BodyLimit())))), n)
	}
}

// Flags names bits; what has no name is a number.
func Flags(c *trace.Entry, name string, v uint32, names []Flag) {
	rest, found, first := v, 0, ""
	for _, f := range names {
		if v&f.Bit != 0 {
			rest &^= f.Bit
			found++
			first = f.Name
		}
	}
	switch {
	case rest != 0 || found == 0:
		c.Hex(name, uint64(v))
	case found == 1:
		c.Word(name, first)
	default:
		var all []string
		for _, f := range names {
			if v&f.Bit != 0 {
				all = append(all, f.Name)
			}
		}
		c.Word(name, strings.Join(all, "|"))
	}
}

// Flag is a bit with a name.
type Flag struct {
	Bit  uint32
	Name string
}

// VariableIn is what goes into GetServerVariable and GetHeader: a name, and the room for its value.
func VariableIn(c *trace.Entry, name, size uintptr) {
	Look(c, func() {
		Text(c, "name", name)
		Number(c, "size", size)
	})
}

// VariableOut is what comes out: the value, or with ERROR_INSUFFICIENT_BUFFER the room it takes.
func VariableOut(c *trace.Entry, buf, size uintptr, err isapi.Error) {
	if err != isapi.OK && err != isapi.InsufficientBuffer {
		return
	}
	Look(c, func() {
		n := native.Read[uint32](size)
		if err == isapi.OK {
			of := c.Said(0)
			if len(of) > 8 && strings.EqualFold(string(of[:8]), "UNICODE_") {
				c.Value("value", of, []byte(wide(buf)))
			} else {
				c.Value("value", of, text(buf, int(n)))
			}
		}
		c.Num("size", int64(n))
	})
}
