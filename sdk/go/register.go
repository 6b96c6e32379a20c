//go:build cgo

package isapi

import (
	"net/http"
	"path"
	"runtime/debug"
	"sync"
)

// registered is what the main package said about itself. It is a package variable because the ABI knows one
// extension per library.
var registered struct {
	sync.Mutex
	handler     http.Handler
	description string
	shutdown    func()
}

// Handle makes h answer the requests of this extension; nil means [http.DefaultServeMux]. Call it from an init
// function or the initialiser of a package variable: the host refuses a library that has no handler when it has been
// loaded. The last call wins.
func Handle(h http.Handler) {
	if h == nil {
		h = http.DefaultServeMux
	}
	registered.Lock()
	defer registered.Unlock()
	registered.handler = h
}

// Describe sets the text the extension introduces itself with, at most 255 bytes; more are cut off. The default is
// the last element of the main package's import path.
func Describe(text string) {
	registered.Lock()
	defer registered.Unlock()
	registered.description = text
}

// OnTerminate registers a function that the host's TerminateExtension calls, once, when no request is running any
// more and the extension is about to be given up. A later call replaces an earlier one.
func OnTerminate(shutdown func()) {
	registered.Lock()
	defer registered.Unlock()
	registered.shutdown = shutdown
}

func handler() http.Handler {
	registered.Lock()
	defer registered.Unlock()
	return registered.handler
}

func description() string {
	registered.Lock()
	defer registered.Unlock()
	if registered.description != "" {
		return registered.description
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return path.Base(info.Path)
	}
	return "Go extension"
}

// takeShutdown returns the shutdown function the first time it is called, later nil.
func takeShutdown() func() {
	registered.Lock()
	defer registered.Unlock()
	f := registered.shutdown
	registered.shutdown = nil
	return f
}
