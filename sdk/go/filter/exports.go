package filter

// #include "abi.h"
import "C"

import (
	"errors"
	"log"
	"runtime/debug"
	"unsafe"
)

// filterVersion is the version of the ISAPI specification this package was written against: 6.0, major in the high word.
const filterVersion = 6 << 16

// GetFilterVersion is called by the host once, after loading the library, whose init functions have run by then.
//
//export GetFilterVersion
func GetFilterVersion(version *C.HTTP_FILTER_VERSION) C.ISAPI_BOOL {
	f := current()
	if f == nil {
		log.Print("filter: there is none: call filter.Register from an init function of the main package")
		return 0
	}
	version.dwFilterVersion = filterVersion
	version.dwFlags = C.DWORD(f.flags())
	desc := unsafe.Slice((*byte)(unsafe.Pointer(&version.lpszFilterDesc[0])), len(version.lpszFilterDesc))
	clear(desc)
	copy(desc[:len(desc)-1], f.Description)
	return 1
}

// isapiFilterNotify is HttpFilterProc: the status below, the error to leave behind above.
//
//export isapiFilterNotify
func isapiFilterNotify(pfc *C.HTTP_FILTER_CONTEXT, event C.DWORD, what unsafe.Pointer) (result C.uint64_t) {
	c := &Context{pfc: pfc}
	defer func() {
		if v := recover(); v != nil {
			log.Printf("filter: panic in the function for event %#x: %v\n%s", uint32(event), v, debug.Stack())
			result = failure(errGenFailure)
		}
		c.end()
		if event == eventEndOfNetSession {
			forget(pfc)
		}
	}()
	status, err := current().dispatch(c, uint32(event), what)
	if err == nil {
		return C.uint64_t(status)
	}
	code := errGenFailure
	if !errors.As(err, &code) || code == 0 {
		code = errGenFailure
	}
	if code != ErrAccessDenied {
		log.Printf("filter: the function for event %#x: %v", uint32(event), err)
	}
	return failure(code)
}

func failure(code Errno) C.uint64_t { return C.uint64_t(code)<<32 | C.uint64_t(failed) }

// TerminateFilter is called by the host when it gives the filter up.
//
//export TerminateFilter
func TerminateFilter(C.DWORD) C.ISAPI_BOOL {
	defer func() {
		if v := recover(); v != nil {
			log.Printf("filter: panic in Terminate: %v\n%s", v, debug.Stack())
		}
	}()
	registered.Lock()
	var terminate func()
	if f := registered.filter; f != nil {
		terminate, f.Terminate = f.Terminate, nil
	}
	registered.Unlock()
	if terminate != nil {
		terminate()
	}
	return 1
}
