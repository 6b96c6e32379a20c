package extension

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"

	"github.com/isapid/isapid/internal/conn"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// unknownLength is cbTotalBytes of a body whose length is not known, or 4 GiB and more.
const unknownLength = math.MaxUint32

// body is the request body: the read-ahead in C memory, and what follows it.
type body struct {
	r      *http.Request
	ahead  []byte // C memory, belongs to the slot
	whole  bool   // the read-ahead is all there is
	duplex bool   // the rest is read while the response is written, and drain has to see to it

	mu  sync.Mutex // one reader at a time; guards all below
	got int64      // bytes read after the read-ahead
	err error      // sticky
}

// total is cbTotalBytes. A chunked body that fitted into the read-ahead has a known length.
func (b *body) total() uint32 {
	switch n := b.r.ContentLength; {
	case b.whole:
		return uint32(len(b.ahead))
	case n < 0 || n >= unknownLength:
		return unknownLength
	default:
		return uint32(n)
	}
}

// readAhead fills the read-ahead: the extension is not called before min(total, limit) bytes are there, because some never
// call ReadClient.
func (q *request) readAhead() error {
	b := &q.body
	limit := max(q.e.opt.ReadAhead, 0)
	if n := q.r.ContentLength; n >= 0 && n <= int64(limit) {
		limit = int(n)
	}
	if q.r.Body == nil || q.r.Body == http.NoBody || q.r.ContentLength == 0 {
		b.whole = true
		return nil
	}
	if limit == 0 {
		q.duplex()
		return nil
	}
	buf := q.slot.Data(limit)
	n, whole, err := conn.ReadAhead(q.r, buf)
	b.ahead, b.whole = buf[:n], whole
	if err == nil && !whole {
		q.duplex()
	}
	return err
}

// duplex allows the extension to read on after it has begun to write.
func (q *request) duplex() {
	q.body.duplex = true
	_ = http.NewResponseController(q.w).EnableFullDuplex() // not supported: HTTP/2 does it anyway
}

// readInto reads what follows the read-ahead, at least one byte unless the body is at its end.
func (q *request) readInto(buf uintptr, want uint32) (int, isapi.Error) {
	if want > math.MaxInt32 {
		return 0, isapi.InvalidParameter
	}
	if q.body.whole {
		return 0, isapi.OK
	}
	// Some pass a far larger size than their buffer has when the rest of the body is small: never touch more than can come.
	if left := q.body.left(); int64(want) > left {
		want = uint32(left)
	}
	if want == 0 {
		return 0, isapi.OK
	}
	n, err := q.body.read(native.Writable(buf, int(want)))
	switch {
	case n > 0:
		return n, isapi.OK
	case err == nil || errors.Is(err, io.EOF):
		return 0, isapi.OK
	}
	return 0, q.readError(err)
}

// left is how many bytes can still come.
func (b *body) left() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r.ContentLength < 0 {
		return math.MaxInt64
	}
	return b.r.ContentLength - int64(len(b.ahead)) - b.got
}

func (b *body) read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.err == nil {
		n, err := b.r.Body.Read(p)
		if !isTimeout(err) { // a cancelled read can be tried again
			b.err = err
		}
		b.got += int64(n)
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, b.err
}

// begun tells whether the extension has read on after the read-ahead.
func (b *body) begun() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got > 0
}

// readError says why a body could not be read to its end. TRUE with 0 bytes would send extensions that count into an
// endless loop.
func (q *request) readError(err error) isapi.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return isapi.NetnameDeleted
	case q.io.cancelled:
		return isapi.OperationAborted
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled),
		errors.Is(err, syscall.ECONNRESET),
		q.r.ProtoMajor >= 2 && !isTimeout(err): // a stream that was reset has an error of a type nobody can name
		return isapi.WSAEConnReset
	}
	return isapi.ReadFault
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
