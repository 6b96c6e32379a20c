//go:build cgo

// Package filter turns functions into an ISAPI filter: a shared library that isapid, or any other ISAPI host, loads, and
// shows the requests at certain points, where the filter can change or answer them.
//
// # A filter
//
// A filter is a main package that says what it wants to see while it is initialised:
//
//	package main
//
//	import "github.com/isapid/isapid/sdk/go/filter"
//
//	func init() {
//		filter.Register(filter.Filter{
//			Description: "sends old addresses on",
//			PreprocHeaders: func(c *filter.Context, h *filter.Headers) (filter.Status, error) {
//				if url, _ := h.Get("url"); url == "/old" {
//					return filter.Next, h.Set("url", "/new")
//				}
//				return filter.Next, nil
//			},
//		})
//	}
//
//	func main() {} // never called: the library has no main program
//
// Build it with
//
//	go build -buildmode=c-shared -o old.so .
//
// The three functions a host looks for (GetFilterVersion, HttpFilterProc and TerminateFilter) are exported by this package.
// A library that imports the package sdk/go too is filter and extension at once.
//
// # Calls
//
// Functions are called from many threads at a time, those for one connection one after the other. What they are given may be
// used until they return. A function that returns an error, or panics, ends the request: the host answers 401 for
// [ErrAccessDenied] and 500 for all else, which is written to the standard logger too.
//
// # Limits
//
// A loaded Go library cannot be unloaded from a process, only abandoned. On Windows filters in Go are 64-bit only.
package filter
