package wire

import "encoding/binary"

// Numbers are unsigned varints, texts are a length and bytes. A decoder never fails in the middle: it notes the first thing
// that is wrong, gives zero values from then on, and says so at the end.

type decoder struct {
	b   []byte
	s   string // ends with the same bytes as b, or is shorter: what texts are cut from
	bad bool
}

// maxShared is how long a payload may be whose texts share one copy of it: they keep all of it.
const maxShared = 8 << 10

// decode begins with a payload that is mostly texts.
func decode(p []byte) decoder {
	if len(p) > maxShared {
		return decoder{b: p}
	}
	return decoder{b: p, s: string(p)}
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

// end is the error of everything decoded so far; bytes that are left over are one too.
func (d *decoder) end(what string) error {
	if d.bad || len(d.b) > 0 {
		return protocolError("%s cannot be decoded", what)
	}
	return nil
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// int is a number from 0 to max.
func (d *decoder) int(max int64) int64 {
	v := d.uint()
	if v > uint64(max) {
		d.fail()
		return 0
	}
	return int64(v)
}

// signed is a number that may be negative (zigzag).
func (d *decoder) signed() int64 {
	v := d.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *decoder) bool() bool { return d.int(1) == 1 }

// raw is so many bytes, which share the frame's memory.
func (d *decoder) raw(n int) []byte {
	if n > len(d.b) {
		d.fail()
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

// bytes is a text that shares the frame's memory.
func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) string() string {
	p := d.bytes()
	if from := len(d.s) - len(d.b) - len(p); from >= 0 && d.s != "" {
		return d.s[from : from+len(p)]
	}
	return string(p)
}

// count is the number of things that follow, each of which takes at least size bytes. What comes of them takes more memory
// than they do here: room for all of them at once is not to be made before they are seen.
func (d *decoder) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.b)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func appendUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendSigned(b []byte, v int64) []byte {
	return binary.AppendUvarint(b, uint64(v)<<1^uint64(v>>63))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
