//go:build cgo

package filter

import (
	"errors"
	"fmt"
)

// ErrEnded is what a [Context] and [Headers] answer after the function they were given to has returned.
var ErrEnded = errors.New("filter: the notification has ended")

// Errno is the Windows error code a host gave for a call that failed, or that a filter gives the host, on every system.
type Errno uint32

// The codes that are commonly used.
const (
	ErrAccessDenied       Errno = 5    // returned by a function: the client gets 401
	ErrNotEnoughMemory    Errno = 8    // the host gives this connection no more
	errGenFailure         Errno = 31   // for errors that are no Errno
	ErrInvalidParameter   Errno = 87   // the host does not know the function or refuses its arguments
	ErrInsufficientBuffer Errno = 122  // a text is too long for its place
	ErrNoData             Errno = 232  // a known variable without a value
	ErrInvalidIndex       Errno = 1413 // an unknown variable or a header that is not there
)

// Error says the code in words where it has some here.
func (e Errno) Error() string {
	switch e {
	case ErrAccessDenied:
		return "filter: access denied (5)"
	case ErrNotEnoughMemory:
		return "filter: not enough memory (8)"
	case errGenFailure:
		return "filter: failure (31)"
	case ErrInvalidParameter:
		return "filter: invalid parameter or unsupported call (87)"
	case ErrInsufficientBuffer:
		return "filter: insufficient buffer (122)"
	case ErrNoData:
		return "filter: no data (232)"
	case ErrInvalidIndex:
		return "filter: no such variable or header (1413)"
	}
	return fmt.Sprintf("filter: host error %d", uint32(e))
}
