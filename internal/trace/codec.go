package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// A batch is events, one after the other, each with its length in front. All numbers are those of encoding/binary's varints but the
// time, which has eight bytes. Whoever reads skips what comes in an event after all it knows.

const (
	maxEventArgs = 64
	flagMasked   = 0x80
	flagBody     = 0x40
	kindBits     = 0x0f
)

// put encodes what c tells of a call: its arguments from one to another, and the body unless it was told. r.mu is held.
func (r *Recorder) put(p *part, c *Entry, k Kind, from, to int) {
	if p.gone || r.ended || !p.c.call(c.image, c.f, c.code) {
		return
	}
	if p.buf == nil {
		p.box = buffers.Get().(*[]byte)
		p.buf = *p.box
	}
	at := len(p.buf)
	b := append(p.buf, 0, 0, 0, byte(k)) // room for the length
	b = binary.AppendUvarint(b, r.request)
	b = binary.AppendUvarint(b, r.seq)
	b = binary.AppendUvarint(b, uint64(c.span))
	b = binary.AppendUvarint(b, uint64(c.parent))
	b = binary.AppendUvarint(b, uint64(c.f))
	b = binary.AppendUvarint(b, uint64(c.code))
	b = binary.AppendUvarint(b, c.image.Number)
	b = binary.AppendUvarint(b, uint64(uint32(c.thread)))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.unix+c.at))
	if k != Enter {
		b = binary.AppendUvarint(b, uint64(max(c.took, 0)))
		b = binary.AppendVarint(b, c.result)
		b = binary.AppendUvarint(b, uint64(c.err))
	}
	secrets := p.c.f.Secrets
	hidden := false
	b = binary.AppendUvarint(b, uint64(to-from))
	for i := from; i < to; i++ {
		a := &c.args[i]
		b = append(b, a.flags, byte(len(a.name)))
		b = append(b, a.name...)
		if a.flags&argText == 0 {
			b = binary.AppendVarint(b, a.num)
			continue
		}
		text := c.texts[a.from:a.to]
		switch {
		case secrets || a.mask == asItIs || len(text) == 0:
			b = binary.AppendUvarint(b, uint64(len(text)))
			b = append(b, text...)
		case a.mask == maskAll:
			b = binary.AppendUvarint(b, uint64(len(masked)))
			b = append(b, masked...)
			hidden = true
		default:
			var was bool
			b, was = appendSized(b, text)
			hidden = hidden || was
		}
	}
	if c.size > 0 && (k != Leave || !c.told) {
		b[at+3] |= flagBody
		b = binary.AppendUvarint(b, uint64(c.size))
		body := c.body[:min(len(c.body), p.c.f.Body)]
		switch {
		case secrets || len(body) == 0:
			b = binary.AppendUvarint(b, uint64(len(body)))
			b = append(b, body...)
		case c.raw:
			b = append(b, 0)
			hidden = true
		default:
			var was bool
			b, was = appendSized(b, body)
			hidden = hidden || was
		}
	}
	if hidden {
		b[at+3] |= flagMasked
	}
	n := len(b) - at - 3
	b[at], b[at+1], b[at+2] = byte(n), byte(n>>8), byte(n>>16)
	p.buf = b
	if p.events++; len(b) >= batchSize {
		r.send(p)
	}
}

// appendSized appends masked lines with their length in front, which has two bytes.
func appendSized(b, text []byte) ([]byte, bool) {
	at := len(b)
	b, hidden := appendMasked(append(b, 0, 0, 0), text)
	n := len(b) - at - 3
	b[at], b[at+1], b[at+2] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)
	return b, hidden
}

var errBatch = errors.New("a batch of events is damaged")

// Decode reads a batch, which may be anybody's. The event, its arguments and its body are used again when each returns; the texts are
// its own. An error is one of each, or says that the batch is damaged, after all events before that place.
func Decode(p []byte, each func(*Event) error) error {
	var e Event
	for len(p) > 0 {
		if len(p) < 3 {
			return errBatch
		}
		n := int(p[0]) | int(p[1])<<8 | int(p[2])<<16
		if p = p[3:]; n > len(p) {
			return errBatch
		}
		d := decoder{b: p[:n]}
		p = p[n:]
		d.event(&e)
		if d.bad {
			return errBatch
		}
		if err := each(&e); err != nil {
			return err
		}
	}
	return nil
}

// decoder reads one event. After the first mistake all that is read is 0.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) event(e *Event) {
	*e = Event{Args: e.Args[:0]}
	k := d.byte()
	e.Kind, e.Masked = Kind(k&kindBits), k&flagMasked != 0
	if e.Kind < Enter || e.Kind > Call {
		d.bad = true
	}
	e.Request, e.Seq = d.uint(math.MaxUint64), d.uint(math.MaxUint64)
	e.Span, e.Parent = uint32(d.uint(math.MaxUint32)), uint32(d.uint(math.MaxUint32))
	e.Func, e.Code = Func(d.uint(math.MaxUint16)), uint32(d.uint(math.MaxUint32))
	e.Image, e.Thread = d.uint(math.MaxUint64), int32(d.uint(math.MaxInt32))
	if at := d.take(8); at != nil {
		e.At = time.Unix(0, int64(binary.LittleEndian.Uint64(at)))
	}
	if e.Kind != Enter {
		e.Took = time.Duration(d.uint(math.MaxInt64))
		e.Result, e.Err = d.int(), uint32(d.uint(math.MaxUint32))
	}
	args := d.uint(maxEventArgs)
	for range args {
		var a Arg
		flags := d.byte()
		a.Word, a.Hex, a.Out, a.Cut = flags&argWord != 0, flags&argHex != 0, flags&argOut != 0, flags&argCut != 0
		a.Name = string(d.take(int(d.byte())))
		if a.IsText = flags&argText != 0; a.IsText {
			a.Text = string(d.take(int(d.uint(uint64(len(d.b))))))
		} else {
			a.Num = d.int()
		}
		if d.bad {
			return
		}
		e.Args = append(e.Args, a)
	}
	if k&flagBody != 0 {
		e.BodySize = int64(d.uint(math.MaxInt64))
		e.Body = d.take(int(d.uint(uint64(len(d.b)))))
	}
}

func (d *decoder) fail() {
	d.bad, d.b = true, nil
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail()
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) byte() byte {
	if p := d.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) uint(most uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > most {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// skip passes over numbers, whatever they are.
func (d *decoder) skip(numbers int) {
	for i, c := range d.b {
		if c >= 0x80 {
			continue // the number goes on
		}
		if numbers--; numbers == 0 {
			d.b = d.b[i+1:]
			return
		}
	}
	d.fail()
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Scan walks over a batch, which may be anybody's, as far as it is whole events, and tells of each which request and which image it is of;
// 0 for none. It allocates nothing.
func Scan(p []byte, see func(request, image uint64)) (events int, err error) {
	var request uint64
	var same []byte // request as it is encoded: most events of a batch are of one
	for len(p) > 0 {
		if len(p) < 3 {
			return events, errBatch
		}
		n := int(p[0]) | int(p[1])<<8 | int(p[2])<<16
		if p = p[3:]; n > len(p) {
			return events, errBatch
		}
		d := decoder{b: p[:n]}
		p = p[n:]
		d.byte()
		if len(same) > 0 && bytes.HasPrefix(d.b, same) {
			d.b = d.b[len(same):]
		} else {
			same = d.b
			request = d.uint(math.MaxUint64)
			same = same[:len(same)-len(d.b)]
		}
		d.skip(5) // seq, span, parent, function, code
		image := d.uint(math.MaxUint64)
		if d.bad {
			return events, errBatch
		}
		see(request, image)
		events++
	}
	return events, nil
}
