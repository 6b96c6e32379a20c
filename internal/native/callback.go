//go:build windows || (unix && cgo)

package native

import (
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// What the callbacks of an extension do in Go. They answer as [result] packs it.

// result packs what a callback returns: the BOOL above, the last error below.
func result(err isapi.Error) uint64 {
	if err == isapi.OK {
		return 1 << 32
	}
	return uint64(err)
}

func onGetServerVariable(conn, name, buf, size uintptr) uint64 {
	h := enter(conn, trace.GetServerVariable, 0)
	if h == nil {
		return result(isapi.InvalidParameter)
	}
	defer h.leave()
	return answer(getServerVariable(h.handler, name, buf, size), trace.GetServerVariable, 0, h.mark)
}

func getServerVariable(h Handler, name, buf, size uintptr) (err isapi.Error) {
	defer catch(&err)
	defer faultsPanic()()
	return h.GetServerVariable(name, buf, size)
}

func onWriteClient(conn, buf, size uintptr, flags uint32) uint64 {
	h := enter(conn, trace.WriteClient, 0)
	if h == nil {
		return result(isapi.InvalidParameter)
	}
	defer h.leave()
	return answer(writeClient(h.handler, buf, size, flags), trace.WriteClient, 0, h.mark)
}

func writeClient(h Handler, buf, size uintptr, flags uint32) (err isapi.Error) {
	defer catch(&err)
	defer faultsPanic()()
	return h.WriteClient(buf, size, flags)
}

func onReadClient(conn, buf, size uintptr) uint64 {
	h := enter(conn, trace.ReadClient, 0)
	if h == nil {
		return result(isapi.InvalidParameter)
	}
	defer h.leave()
	return answer(readClient(h.handler, buf, size), trace.ReadClient, 0, h.mark)
}

func readClient(h Handler, buf, size uintptr) (err isapi.Error) {
	defer catch(&err)
	defer faultsPanic()()
	return h.ReadClient(buf, size)
}

func onServerSupportFunction(conn uintptr, code uint32, buf, size, dataType uintptr) uint64 {
	h := enter(conn, trace.ServerSupportFunction, code)
	if h == nil {
		return result(isapi.InvalidParameter)
	}
	defer h.leave()
	return answer(serverSupport(h.handler, isapi.Code(code), buf, size, dataType), trace.ServerSupportFunction, code, h.mark)
}

func serverSupport(h Handler, code isapi.Code, buf, size, dataType uintptr) (err isapi.Error) {
	defer catch(&err)
	defer faultsPanic()()
	return h.ServerSupportFunction(code, buf, size, dataType)
}
