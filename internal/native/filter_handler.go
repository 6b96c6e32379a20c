package native

import "github.com/isapid/isapid/internal/isapi"

// FilterHandler is the Go side of the callbacks of an HTTP_FILTER_CONTEXT and of the structures of its notifications. Methods
// are called from any thread, several at a time; OK means TRUE, anything else FALSE with that last error. Arguments are the
// filter's and untrusted: see memory.go. A fault in a method fails the call with ERROR_INVALID_PARAMETER.
type FilterHandler interface {
	GetServerVariable(name, buf, size uintptr) isapi.Error
	AddResponseHeaders(text, reserved uintptr) isapi.Error
	WriteClient(buf, size uintptr, reserved uint32) isapi.Error
	// AllocMem answers 0 when there is no memory to be had.
	AllocMem(size uint32) uintptr
	// ServerSupportFunction gets ul1 and ul2 as they came, as wide as a pointer.
	ServerSupportFunction(code isapi.SFReq, data, ul1, ul2 uintptr) isapi.Error

	GetHeader(name, buf, size uintptr) isapi.Error
	SetHeader(name, value uintptr) isapi.Error
	AddHeader(name, value uintptr) isapi.Error
	GetUserToken(token uintptr) isapi.Error
}
