//go:build unix && cgo

package native

// #include <stdlib.h>
// #include "native.h"
import "C"

import (
	"runtime/cgo"
	"sync"
	"unsafe"
)

// The way from the callbacks in C to those in Go, and the memory that both see.

var callbacks = sync.OnceValue(func() (fn [4]uintptr) {
	for i := range fn {
		fn[i] = uintptr(C.isapid_callback(C.int(i)))
	}
	return fn
})

var filterCallbacks = sync.OnceValue(func() (fn [9]uintptr) {
	for i := range fn {
		fn[i] = uintptr(C.isapid_filter_callback(C.int(i)))
	}
	return fn
})

// zeroed is C memory of n bytes, which must not be 0; nil if there is none. freeMem gives it back.
func zeroed(n int) unsafe.Pointer { return C.calloc(1, C.size_t(n)) }

// unzeroed is zeroed with anything in it.
func unzeroed(n int) unsafe.Pointer { return C.malloc(C.size_t(n)) }

func freeMem(p unsafe.Pointer) { C.free(p) }

//export isapidGetServerVariable
func isapidGetServerVariable(conn, name, buf, size C.uintptr_t) C.uint64_t {
	return C.uint64_t(onGetServerVariable(uintptr(conn), uintptr(name), uintptr(buf), uintptr(size)))
}

//export isapidWriteClient
func isapidWriteClient(conn, buf, size C.uintptr_t, flags C.uint32_t) C.uint64_t {
	return C.uint64_t(onWriteClient(uintptr(conn), uintptr(buf), uintptr(size), uint32(flags)))
}

//export isapidReadClient
func isapidReadClient(conn, buf, size C.uintptr_t) C.uint64_t {
	return C.uint64_t(onReadClient(uintptr(conn), uintptr(buf), uintptr(size)))
}

//export isapidServerSupportFunction
func isapidServerSupportFunction(conn C.uintptr_t, code C.uint32_t, buf, size, dataType C.uintptr_t) C.uint64_t {
	return C.uint64_t(onServerSupportFunction(uintptr(conn), uint32(code), uintptr(buf), uintptr(size), uintptr(dataType)))
}

//export isapidFilterGetServerVariable
func isapidFilterGetServerVariable(context, name, buf, size C.uintptr_t) C.uint64_t {
	return C.uint64_t(onFilterGetServerVariable(uintptr(context), uintptr(name), uintptr(buf), uintptr(size)))
}

//export isapidAddResponseHeaders
func isapidAddResponseHeaders(context, text C.uintptr_t, reserved C.uint32_t) C.uint64_t {
	return C.uint64_t(onAddResponseHeaders(uintptr(context), uintptr(text), uint32(reserved)))
}

//export isapidFilterWriteClient
func isapidFilterWriteClient(context, buf, size C.uintptr_t, reserved C.uint32_t) C.uint64_t {
	return C.uint64_t(onFilterWriteClient(uintptr(context), uintptr(buf), uintptr(size), uint32(reserved)))
}

//export isapidAllocMem
func isapidAllocMem(context C.uintptr_t, size C.uint32_t) (C.uintptr_t, C.uint64_t) {
	p, r := onAllocMem(uintptr(context), uint32(size))
	return C.uintptr_t(p), C.uint64_t(r)
}

//export isapidFilterServerSupportFunction
func isapidFilterServerSupportFunction(context C.uintptr_t, code C.uint32_t, data, ul1, ul2 C.uintptr_t) C.uint64_t {
	return C.uint64_t(onFilterServerSupportFunction(uintptr(context), uint32(code), uintptr(data), uintptr(ul1), uintptr(ul2)))
}

//export isapidGetHeader
func isapidGetHeader(context, name, buf, size C.uintptr_t) C.uint64_t {
	return C.uint64_t(onGetHeader(uintptr(context), uintptr(name), uintptr(buf), uintptr(size)))
}

//export isapidSetHeader
func isapidSetHeader(context, name, value C.uintptr_t) C.uint64_t {
	return C.uint64_t(onSetHeader(uintptr(context), uintptr(name), uintptr(value)))
}

//export isapidAddHeader
func isapidAddHeader(context, name, value C.uintptr_t) C.uint64_t {
	return C.uint64_t(onAddHeader(uintptr(context), uintptr(name), uintptr(value)))
}

//export isapidGetUserToken
func isapidGetUserToken(context, token C.uintptr_t) C.uint64_t {
	return C.uint64_t(onGetUserToken(uintptr(context), uintptr(token)))
}

//export isapidThread
func isapidThread(handle C.uintptr_t) {
	h := cgo.Handle(handle)
	h.Value().(func())()
}
