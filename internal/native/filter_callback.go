//go:build unix && cgo

package native

// #include "native.h"
import "C"

import (
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// filterCall is one callback of a filter: f runs with the handler of the context, which must be a live one.
func filterCall(context C.uintptr_t, what trace.Func, code C.uint32_t, f func(FilterHandler) isapi.Error) C.uint64_t {
	c := enterFilter(uintptr(context), what, uint32(code))
	if c == nil {
		return result(isapi.InvalidParameter)
	}
	defer c.leave()
	return answer(guarded(func() isapi.Error { return f(c.handler) }), what, uint32(code), c.mark)
}

//export isapidFilterGetServerVariable
func isapidFilterGetServerVariable(context, name, buf, size C.uintptr_t) C.uint64_t {
	return filterCall(context, trace.FilterGetServerVariable, 0, func(h FilterHandler) isapi.Error {
		return h.GetServerVariable(uintptr(name), uintptr(buf), uintptr(size))
	})
}

//export isapidAddResponseHeaders
func isapidAddResponseHeaders(context, text C.uintptr_t, reserved C.uint32_t) C.uint64_t {
	return filterCall(context, trace.FilterAddResponseHeaders, 0, func(h FilterHandler) isapi.Error {
		return h.AddResponseHeaders(uintptr(text), uintptr(reserved))
	})
}

//export isapidFilterWriteClient
func isapidFilterWriteClient(context, buf, size C.uintptr_t, reserved C.uint32_t) C.uint64_t {
	return filterCall(context, trace.FilterWriteClient, 0, func(h FilterHandler) isapi.Error {
		return h.WriteClient(uintptr(buf), uintptr(size), uint32(reserved))
	})
}

//export isapidAllocMem
func isapidAllocMem(context C.uintptr_t, size C.uint32_t) (p C.uintptr_t, r C.uint64_t) {
	r = filterCall(context, trace.FilterAllocMem, 0, func(h FilterHandler) isapi.Error {
		if p = C.uintptr_t(h.AllocMem(uint32(size))); p == 0 {
			return isapi.NotEnoughMemory
		}
		return isapi.OK
	})
	return p, r
}

//export isapidFilterServerSupportFunction
func isapidFilterServerSupportFunction(context C.uintptr_t, code C.uint32_t, data, ul1, ul2 C.uintptr_t) C.uint64_t {
	return filterCall(context, trace.FilterServerSupportFunction, code, func(h FilterHandler) isapi.Error {
		return h.ServerSupportFunction(isapi.SFReq(code), uintptr(data), uintptr(ul1), uintptr(ul2))
	})
}

//export isapidGetHeader
func isapidGetHeader(context, name, buf, size C.uintptr_t) C.uint64_t {
	return filterCall(context, trace.FilterGetHeader, 0, func(h FilterHandler) isapi.Error {
		return h.GetHeader(uintptr(name), uintptr(buf), uintptr(size))
	})
}

//export isapidSetHeader
func isapidSetHeader(context, name, value C.uintptr_t) C.uint64_t {
	return filterCall(context, trace.FilterSetHeader, 0, func(h FilterHandler) isapi.Error { return h.SetHeader(uintptr(name), uintptr(value)) })
}

//export isapidAddHeader
func isapidAddHeader(context, name, value C.uintptr_t) C.uint64_t {
	return filterCall(context, trace.FilterAddHeader, 0, func(h FilterHandler) isapi.Error { return h.AddHeader(uintptr(name), uintptr(value)) })
}

//export isapidGetUserToken
func isapidGetUserToken(context, token C.uintptr_t) C.uint64_t {
	return filterCall(context, trace.FilterGetUserToken, 0, func(h FilterHandler) isapi.Error { return h.GetUserToken(uintptr(token)) })
}
