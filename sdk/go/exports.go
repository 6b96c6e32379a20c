package isapi

// #include "abi.h"
import "C"

import (
	"log"
	"runtime/debug"
	"unsafe"
)

// extensionVersion is the version of the ISAPI specification this package was written against: 6.0, major in the
// high word. Hosts exist that refuse a number above their own.
const extensionVersion = 6 << 16

// GetExtensionVersion is called by the host once, after loading the library, whose init functions have run by then.
//
//export GetExtensionVersion
func GetExtensionVersion(info *C.HSE_VERSION_INFO) C.ISAPI_BOOL {
	if handler() == nil {
		log.Print("isapi: the extension has no handler: call isapi.Handle from an init function of its main package")
		return 0
	}
	info.dwExtensionVersion = extensionVersion
	desc := unsafe.Slice((*byte)(unsafe.Pointer(&info.lpszExtensionDesc[0])), len(info.lpszExtensionDesc))
	clear(desc)
	copy(desc[:len(desc)-1], description())
	return 1
}

// HttpExtensionProc is called by the host once per request, from many threads.
//
//export HttpExtensionProc
func HttpExtensionProc(ecb *C.EXTENSION_CONTROL_BLOCK) C.DWORD {
	c := &ControlBlock{ecb: ecb}
	defer c.end()
	if !serve(c, handler()) {
		return C.HSE_STATUS_ERROR
	}
	return C.HSE_STATUS_SUCCESS
}

// TerminateExtension is called by the host when it gives the extension up. It never refuses.
//
//export TerminateExtension
func TerminateExtension(C.DWORD) C.ISAPI_BOOL {
	defer func() {
		if v := recover(); v != nil {
			log.Printf("isapi: panic in the function given to OnTerminate: %v\n%s", v, debug.Stack())
		}
	}()
	if shutdown := takeShutdown(); shutdown != nil {
		shutdown()
	}
	return 1
}
