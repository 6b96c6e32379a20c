//go:build cgo

// Package isapi turns an [http.Handler] into an ISAPI extension: a shared library that isapid, or any other ISAPI
// host, loads and calls for each request.
//
// # An extension
//
// An extension is a main package that names its handler while it is initialised:
//
//	package main
//
//	import (
//		"fmt"
//		"net/http"
//
//		isapi "github.com/isapid/isapid/sdk/go"
//	)
//
//	func init() {
//		isapi.Describe("Hello")
//		isapi.Handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			fmt.Fprintln(w, "hello,", r.URL.Path)
//		}))
//	}
//
//	func main() {} // never called: the library has no main program
//
// Build it with
//
//	go build -buildmode=c-shared -o hello.so .
//
// The three functions a host looks for (GetExtensionVersion, HttpExtensionProc and TerminateExtension) are exported
// by this package. Calling [Handle] is all that is needed to have them in the library; the main package needs no
// import "C" of its own.
//
// # A request
//
// The handler gets the request the client sent: the URL is the whole target, not only the part that belongs to the
// extension; wrap the handler in [PathInfo] to see that part alone. What ISAPI offers beyond net/http (server
// variables, the log, URL mapping) is reached through [FromContext].
//
// Writes block until the host has taken the data. Small ones are collected, as in net/http, until the handler returns
// or calls Flush. A response without Content-Length is framed by the host. When a write fails, because the client is
// gone, the request's context is cancelled. Trailers, hijacking and informational responses (1xx) do not exist in
// ISAPI.
//
// A panic in a handler costs that request only: it is answered 500 when nothing was sent yet, else its connection is
// closed. A panic in a goroutine the handler started ends the process, as always in Go.
//
// # Limits
//
// A loaded Go library cannot be unloaded from a process, only abandoned: the host's process has to end before its
// memory is free. Goroutines must not outlive their request if they use its body or [ControlBlock]; both answer
// errors from then on. On Windows extensions in Go are 64-bit only.
package isapi
