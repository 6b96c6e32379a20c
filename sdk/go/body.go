package isapi

// #include "abi.h"
import "C"

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"unsafe"
)

// unknownLength in cbTotalBytes: the body ends where ReadClient says so.
const unknownLength = math.MaxUint32

// body reads what the host has read ahead, then the rest through ReadClient. As every request body it is read by one
// goroutine at a time.
type body struct {
	c      *ControlBlock
	offset int   // read of lpbData
	left   int64 // bytes to come, or -1 when only the end tells
	err    error // sticky
}

// Read implements [io.Reader]. A client that breaks off early is an [io.ErrUnexpectedEOF].
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if b.left == 0 {
		return 0, b.fail(io.EOF)
	}
	if b.left > 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.read(p)
	switch {
	case err != nil:
		return 0, b.fail(fmt.Errorf("read request body: %w", err))
	case n == 0 && b.left < 0:
		return 0, b.fail(io.EOF)
	case n == 0:
		return 0, b.fail(io.ErrUnexpectedEOF)
	}
	if b.left > 0 {
		b.left -= int64(n)
	}
	return n, nil
}

func (b *body) read(p []byte) (n int, err error) {
	err = b.c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error {
		if b.offset < int(ecb.cbAvailable) {
			n = copy(p, unsafe.Slice((*byte)(ecb.lpbData), int(ecb.cbAvailable))[b.offset:])
			b.offset += n
			return nil
		}
		size := C.DWORD(min(len(p), math.MaxInt32))
		err := errnoOf(C.isapi_read(ecb, unsafe.Pointer(&p[0]), &size))
		n = min(int(size), len(p))
		return err
	})
	return n, err
}

func (b *body) fail(err error) error {
	b.err = err
	return err
}

// Close implements [io.Closer]. What is left of the body is the host's affair.
func (b *body) Close() error {
	if b.err == nil {
		b.err = http.ErrBodyReadAfterClose
	}
	return nil
}
