package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// BodyError says why a body has no more bytes, in the words that the code on the other end tells errors apart by.
type BodyError uint8

// What can become of a body.
const (
	BodyFine       BodyError = iota
	BodyReset                // the client left
	BodyUnexpected           // io.ErrUnexpectedEOF: the connection ended within the body
	BodyTimeout              // nothing came in time, or the reader was interrupted: it can be tried again
	BodyTooLarge             // http.MaxBytesError
	BodyClosed               // nobody has it any more
	BodyBroken               // anything else: bad chunks
	bodyErrors
)

func bodyErrorOf(err error) (e BodyError, limit int64) {
	var tooLarge *http.MaxBytesError
	var ne net.Error
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return BodyFine, 0
	case errors.As(err, &tooLarge):
		return BodyTooLarge, tooLarge.Limit
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return BodyTimeout, 0
	case errors.Is(err, io.ErrUnexpectedEOF):
		return BodyUnexpected, 0
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, context.Canceled):
		return BodyReset, 0
	case errors.Is(err, net.ErrClosed), errors.Is(err, http.ErrBodyReadAfterClose):
		return BodyClosed, 0
	}
	return BodyBroken, 0
}

var errBodyBroken = errors.New("the request body is malformed")

// err is the error that says the same as the original one.
func (e BodyError) err(limit int64) error {
	switch e {
	case BodyReset:
		return syscall.ECONNRESET
	case BodyUnexpected:
		return io.ErrUnexpectedEOF
	case BodyTimeout:
		return os.ErrDeadlineExceeded
	case BodyTooLarge:
		return &http.MaxBytesError{Limit: limit}
	case BodyClosed:
		return net.ErrClosed
	case BodyBroken:
		return errBodyBroken
	default:
		return io.EOF
	}
}

// SetBodyError says in m why there is no more of the body.
func (m *Message) SetBodyError(err error) { m.BodyError, m.BodyErrorLimit = bodyErrorOf(err) }
