//go:build windows || (unix && cgo)

package native

import (
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// filterCall is one callback of a filter: f runs with the handler of the context, which must be a live one. It answers as
// [result] packs it.
func filterCall(context uintptr, what trace.Func, code uint32, f func(FilterHandler) isapi.Error) uint64 {
	c := enterFilter(context, what, code)
	if c == nil {
		return result(isapi.InvalidParameter)
	}
	defer c.leave()
	return answer(guarded(func() isapi.Error { return f(c.handler) }), what, code, c.mark)
}

func onFilterGetServerVariable(context, name, buf, size uintptr) uint64 {
	return filterCall(context, trace.FilterGetServerVariable, 0, func(h FilterHandler) isapi.Error { return h.GetServerVariable(name, buf, size) })
}

func onAddResponseHeaders(context, text uintptr, reserved uint32) uint64 {
	return filterCall(context, trace.FilterAddResponseHeaders, 0, func(h FilterHandler) isapi.Error { return h.AddResponseHeaders(text, uintptr(reserved)) })
}

func onFilterWriteClient(context, buf, size uintptr, reserved uint32) uint64 {
	return filterCall(context, trace.FilterWriteClient, 0, func(h FilterHandler) isapi.Error { return h.WriteClient(buf, size, reserved) })
}

// onAllocMem answers the memory too, 0 if there is none.
func onAllocMem(context uintptr, size uint32) (p uintptr, r uint64) {
	r = filterCall(context, trace.FilterAllocMem, 0, func(h FilterHandler) isapi.Error {
		if p = h.AllocMem(size); p == 0 {
			return isapi.NotEnoughMemory
		}
		return isapi.OK
	})
	return p, r
}

func onFilterServerSupportFunction(context uintptr, code uint32, data, ul1, ul2 uintptr) uint64 {
	return filterCall(context, trace.FilterServerSupportFunction, code, func(h FilterHandler) isapi.Error {
		return h.ServerSupportFunction(isapi.SFReq(code), data, ul1, ul2)
	})
}

func onGetHeader(context, name, buf, size uintptr) uint64 {
	return filterCall(context, trace.FilterGetHeader, 0, func(h FilterHandler) isapi.Error { return h.GetHeader(name, buf, size) })
}

func onSetHeader(context, name, value uintptr) uint64 {
	return filterCall(context, trace.FilterSetHeader, 0, func(h FilterHandler) isapi.Error { return h.SetHeader(name, value) })
}

func onAddHeader(context, name, value uintptr) uint64 {
	return filterCall(context, trace.FilterAddHeader, 0, func(h FilterHandler) isapi.Error { return h.AddHeader(name, value) })
}

func onGetUserToken(context, token uintptr) uint64 {
	return filterCall(context, trace.FilterGetUserToken, 0, func(h FilterHandler) isapi.Error { return h.GetUserToken(token) })
}
