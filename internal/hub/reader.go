package hub

import (
	"io"

	"github.com/isapid/isapid/internal/trace"
)

// Reader reads a stream. It keeps what the stream has told of processes, images and requests.
type Reader struct{}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{} }

// Next is the next record; io.EOF at the end of the stream.
func (r *Reader) Next() (Record, error) { return Record{}, io.EOF }

// Process is what is known of a source.
func (r *Reader) Process(source uint32) (Process, bool) { return Process{}, false }

// Image is what is known of an image of a source.
func (r *Reader) Image(source uint32, number uint64) (Image, bool) { return Image{}, false }

// About is what is known of a request in a source: of the last 8192 that were told.
func (r *Reader) About(source uint32, request uint64) (trace.About, bool) {
	return trace.About{}, false
}
