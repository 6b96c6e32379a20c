package native

import "github.com/isapid/isapid/internal/trace"

// Misuse is a callback with a ConnID, or context of a filter, that is none. It has been answered: FALSE with
// ERROR_INVALID_PARAMETER.
type Misuse struct {
	Func    trace.Func
	Code    uint32 // of functions that have one
	Ended   bool   // it was one, of a request or connection that has ended; else it never was
	Request uint64 // the request that has ended, as far as it was marked; else 0
	Image   uint64 // the number of the image it was of, or else of that whose code called; 0: not known
}
