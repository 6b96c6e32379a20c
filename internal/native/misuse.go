package native

import "github.com/isapid/isapid/internal/trace"

// What a [Misuse] is.
const (
	NoHandle   = iota // a ConnID, or context of a filter, that never was one
	EndedBlock        // one of a request, or connection, that has ended
	BadPointer        // memory that cannot be read, or written to
)

// Misuse is a callback that cannot be answered for what it was given: it failed with ERROR_INVALID_PARAMETER.
type Misuse struct {
	Kind    int // NoHandle …
	Func    trace.Func
	Code    uint32 // of functions that have one
	Request uint64 // as far as it was marked; 0: none
	Image   uint64 // the number of the image whose control block or context it is, or whose code called; 0: not known
}
