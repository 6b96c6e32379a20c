//go:build unix && cgo

package native

// #include "native.h"
import "C"

import (
	"runtime/cgo"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// result packs what a callback returns: the BOOL above, the last error below.
func result(err isapi.Error) C.uint64_t {
	if err == isapi.OK {
		return 1 << 32
	}
	return C.uint64_t(err)
}

//export isapidGetServerVariable
func isapidGetServerVariable(conn, name, buf, size C.uintptr_t) C.uint64_t {
	h := enter(uintptr(conn), trace.GetServerVariable, 0)
	if h == nil {
		return result(isapi.InvalidParameter)
	}
	defer h.leave()
	return answer(getServerVariable(h.handler, uintptr(name), uintptr(buf), uintptr(size)), trace.GetServerVariable, 0, h.mark)
}

func getServerVariable(h Handler, name, buf, size uintptr) (err isapi.Error) {
	defer catch(&err)
	defer faultsPanic()()
	return h.GetServerVariable(name, buf, size)
}

//export isapidWriteClient
func isapidWriteClient(conn, buf, size C.uintptr_t, flags C.uint32_t) C.uint64_t {
	h := enter(uintptr(conn), trace.WriteClient, 0)
	if h == nil {
		return result(isapi.InvalidParameter)
	}
	defer h.leave()
	return answer(writeClient(h.handler, uintptr(buf), uintptr(size), uint32(flags)), trace.WriteClient, 0, h.mark)
}

func writeClient(h Handler, buf, size uintptr, flags uint32) (err isapi.Error) {
	defer catch(&err)
	defer faultsPanic()()
	return h.WriteClient(buf, size, flags)
}

//export isapidReadClient
func isapidReadClient(conn, buf, size C.uintptr_t) C.uint64_t {
	h := enter(uintptr(conn), trace.ReadClient, 0)
	if h == nil {
		return result(isapi.InvalidParameter)
	}
	defer h.leave()
	return answer(readClient(h.handler, uintptr(buf), uintptr(size)), trace.ReadClient, 0, h.mark)
}

func readClient(h Handler, buf, size uintptr) (err isapi.Error) {
	defer catch(&err)
	defer faultsPanic()()
	return h.ReadClient(buf, size)
}

//export isapidServerSupportFunction
func isapidServerSupportFunction(conn C.uintptr_t, code C.uint32_t, buf, size, dataType C.uintptr_t) C.uint64_t {
	h := enter(uintptr(conn), trace.ServerSupportFunction, uint32(code))
	if h == nil {
		return result(isapi.InvalidParameter)
	}
	defer h.leave()
	return answer(serverSupport(h.handler, isapi.Code(code), uintptr(buf), uintptr(size), uintptr(dataType)), trace.ServerSupportFunction, uint32(code), h.mark)
}

func serverSupport(h Handler, code isapi.Code, buf, size, dataType uintptr) (err isapi.Error) {
	defer catch(&err)
	defer faultsPanic()()
	return h.ServerSupportFunction(code, buf, size, dataType)
}

//export isapidThread
func isapidThread(handle C.uintptr_t) {
	h := cgo.Handle(handle)
	h.Value().(func())()
}
