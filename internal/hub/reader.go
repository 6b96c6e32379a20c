package hub

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/isapid/isapid/internal/trace"
)

// Reader reads a stream. It keeps what the stream has told of processes, images and requests. It has one user at a time.
type Reader struct {
	r         *bufio.Reader
	buf       []byte
	processes map[uint32]Process
	images    map[inSource]Image
	requests  map[inSource]trace.About
	ring      []inSource // the requests, in the order in which they were told
	next      int
}

const (
	maxRecord   = 1 << 20
	maxKept     = 1 << 16 // processes, images
	maxRequests = 4 * maxTold
)

var errRecord = errors.New("the stream of events is damaged")

// NewReader reads from r.
func NewReader(r io.Reader) *Reader {
	return &Reader{
		r: bufio.NewReaderSize(r, 64<<10), processes: map[uint32]Process{}, images: map[inSource]Image{}, requests: map[inSource]trace.About{},
	}
}

// Next is the next record; io.EOF at the end of the stream, io.ErrUnexpectedEOF in the middle of a record. Records of a kind that is not
// known are passed over.
func (r *Reader) Next() (rec Record, err error) {
	for {
		p, err := r.read()
		if err != nil {
			return Record{}, err
		}
		d := decoder{b: p[1:]}
		rec = Record{Kind: Kind(p[0])}
		switch rec.Kind {
		case KindHello:
			if err := json.Unmarshal(d.b, &rec.Hello); err != nil {
				return Record{}, fmt.Errorf("%w: %w", errRecord, err)
			}
			if rec.Hello.Version != Version {
				return Record{}, fmt.Errorf("the server tells of calls in version %d, this program reads %d", rec.Hello.Version, Version)
			}
		case KindProcess, KindImage, KindRequest, KindBatch:
			rec.Source = uint32(d.uint(math.MaxUint32))
			r.dictionary(&rec, &d)
		case KindDropped:
			rec.Dropped = d.uint(math.MaxUint64)
		case KindAlive:
		default:
			continue
		}
		if d.bad {
			return Record{}, errRecord
		}
		return rec, nil
	}
}

// dictionary reads and keeps what is about a source.
func (r *Reader) dictionary(rec *Record, d *decoder) {
	switch rec.Kind {
	case KindProcess:
		rec.Process = Process{Pool: d.text(), Worker: d.text(), Pid: int(d.uint(math.MaxInt32))}
		keep(r.processes, rec.Source, rec.Process, d)
	case KindImage:
		rec.Image = Image{Number: d.uint(math.MaxUint64), Path: d.text(), Pool: d.text(), Generation: int(d.uint(math.MaxInt32))}
		keep(r.images, inSource{rec.Source, rec.Image.Number}, rec.Image, d)
	case KindRequest:
		a := &rec.About
		a.Request = d.uint(math.MaxUint64)
		for _, s := range [...]*string{&a.Site, &a.App, &a.Pool, &a.Image, &a.Client, &a.URL, &a.Method} {
			*s = d.text()
		}
		if !d.bad {
			r.keepRequest(inSource{rec.Source, a.Request}, a)
		}
	default:
		rec.Events = d.b
	}
}

func keep[K comparable, V any](m map[K]V, k K, v V, d *decoder) {
	if d.bad {
		return
	}
	if len(m) >= maxKept {
		clear(m)
	}
	m[k] = v
}

func (r *Reader) keepRequest(k inSource, a *trace.About) {
	if _, ok := r.requests[k]; !ok {
		if len(r.ring) < maxRequests {
			r.ring = append(r.ring, k)
		} else {
			delete(r.requests, r.ring[r.next])
			r.ring[r.next] = k
			r.next = (r.next + 1) % maxRequests
		}
	}
	r.requests[k] = *a
}

// read is the next record with its kind, valid until the next call.
func (r *Reader) read() ([]byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r.r, header[:]); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(header[:]))
	if n < 1 || n > maxRecord {
		return nil, errRecord
	}
	r.buf = r.buf[:0]
	for len(r.buf) < n { // as it comes, not as it is announced
		at, more := len(r.buf), min(n-len(r.buf), 64<<10)
		if cap(r.buf)-at < more {
			r.buf = append(make([]byte, 0, min(2*cap(r.buf)+more, maxRecord)), r.buf...)
		}
		r.buf = r.buf[:at+more]
		if _, err := io.ReadFull(r.r, r.buf[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return r.buf, nil
}

// Process is what is known of a source.
func (r *Reader) Process(source uint32) (Process, bool) {
	p, ok := r.processes[source]
	return p, ok
}

// Image is what is known of an image of a source.
func (r *Reader) Image(source uint32, number uint64) (Image, bool) {
	i, ok := r.images[inSource{source, number}]
	return i, ok
}

// About is what is known of a request in a source: of the last 8192 that were told.
func (r *Reader) About(source uint32, request uint64) (trace.About, bool) {
	a, ok := r.requests[inSource{source, request}]
	return a, ok
}

// decoder reads a record. After the first mistake all that is read is nothing.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uint(most uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > most {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.uint(uint64(len(d.b)))
	if d.bad || n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
