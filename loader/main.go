//go:build cgo

// Isapiloader is an ISAPI extension that stands in for another one and replaces it while the host runs. Installed as
// proposal.dll (or proposal.so), it loads proposal.run, hands every request on to it, and when proposal.update appears
// lets that take its place: README.md tells what for, and how.
//
//	go build -buildmode=c-shared -o proposal.so ./loader
//
// # Who does what
//
// A request does not meet Go: loader.c counts it, calls HttpExtensionProc of the version in force, and notes when the host is
// told that it is done. All decisions are Go's, which looks at the files on a goroutine of its own (watch.go), by the
// protocol of package update:
//
//	place.go     which files: the name of the loader's own file decides
//	settings.go  how: environment, or NAME.loader
//	start.go     GetExtensionVersion and TerminateExtension
//	watch.go     from a file that appears to the version in force
//	version.go   one version: a private copy, loaded and unloaded
//	loader.c     the functions a host calls, and requests
//	system_*.c   locks and libraries, by system
package main

// #cgo CFLAGS: -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -fvisibility=hidden
// #cgo !windows CFLAGS: -I${SRCDIR}/../sdk/c
// #cgo linux LDFLAGS: -ldl -lpthread
// #include "loader.h"
import "C"

// the is the one loader of this library: a host starts and ends it, one call after the other.
var the *loader

func main() {} // never called: the library has no main program

// isapiloaderTry is told how the version did that it gave last (nil: the host begins), and gives the next to load. It is nil when one
// is in force, or when there is none: error is the last error then.
//
//export isapiloaderTry
func isapiloaderTry(tried *C.struct_image, lastError *C.uint32_t) *C.struct_image {
	if tried == nil {
		if the != nil && the.quit != nil {
			return nil
		}
		var err error
		if the, err = newLoader(ownFile()); err != nil {
			tell("the extension cannot be loaded", "error", err)
			*lastError = C.uint32_t(invalidData)
			return nil
		}
	}
	v, code := the.next()
	if v == nil {
		*lastError = C.uint32_t(code)
		return nil
	}
	return v.image
}

// isapiloaderStop ends the goroutine.
//
//export isapiloaderStop
func isapiloaderStop() {
	if the != nil {
		the.stop()
	}
}

// isapiloaderEnd is told that the version it gave last was unloaded (nil: the host begins), and whether it has left the memory, and gives the
// next to unload.
//
//export isapiloaderEnd
func isapiloaderEnd(ended *C.struct_image, gone C.int) *C.struct_image {
	if the == nil {
		return nil
	}
	if v := the.end(ended != nil, gone != 0); v != nil {
		return v.image
	}
	the = nil
	return nil
}

// ownFile is the path of the library, "" if the system does not say.
func ownFile() string {
	var path [4096]C.char
	if C.isapiloader_self(&path[0], C.uint32_t(len(path))) == 0 {
		return ""
	}
	return C.GoString(&path[0])
}
