//go:build cgo

package isapi

import (
	"errors"
	"fmt"
)

// ErrEnded is what a body or [ControlBlock] answers after its request has ended, and a ControlBlock that never
// belonged to one.
var ErrEnded = errors.New("isapi: the request has ended")

// Errno is the Windows error code a host gave for a call that failed, on every system.
type Errno uint32

// The codes hosts commonly give.
const (
	ErrInvalidParameter   Errno = 87    // the host does not know the function or refuses its arguments
	ErrInsufficientBuffer Errno = 122   // handled by this package, seldom seen
	ErrNoData             Errno = 232   // a known variable without a value
	ErrOperationAborted   Errno = 995   // the client is gone
	ErrInvalidIndex       Errno = 1413  // an unknown variable or a header the client did not send
	ErrConnReset          Errno = 10054 // the client is gone
)

// Error says the code in words where it has some here.
func (e Errno) Error() string {
	switch e {
	case ErrInvalidParameter:
		return "isapi: invalid parameter or unsupported call (87)"
	case ErrInsufficientBuffer:
		return "isapi: insufficient buffer (122)"
	case ErrNoData:
		return "isapi: no data (232)"
	case ErrOperationAborted:
		return "isapi: operation aborted, the client is gone (995)"
	case ErrInvalidIndex:
		return "isapi: no such variable or header (1413)"
	case ErrConnReset:
		return "isapi: connection reset by the client (10054)"
	}
	return fmt.Sprintf("isapi: host error %d", uint32(e))
}
