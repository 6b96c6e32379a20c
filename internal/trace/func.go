package trace

import (
	"strconv"

	"github.com/isapid/isapid/internal/isapi"
)

// Func is a function at the border between the server and an image. The numbers are shared with the C of package native and with the protocol
// between processes: they never change their meaning.
type Func uint16

// The exports of images.
const (
	DllMain Func = 1 + iota
	GetExtensionVersion
	HttpExtensionProc
	TerminateExtension
	GetFilterVersion
	HttpFilterProc // Code: SF_NOTIFY_*
	TerminateFilter
	Completion // of an asynchronous operation
)

// What extensions call, in the order of the ECB.
const (
	GetServerVariable Func = 32 + iota
	WriteClient
	ReadClient
	ServerSupportFunction // Code: HSE_REQ_*
)

// What filters call, in the order of HTTP_FILTER_CONTEXT and HTTP_FILTER_AUTH_COMPLETE_INFO.
const (
	FilterGetServerVariable Func = 64 + iota
	FilterAddResponseHeaders
	FilterWriteClient
	FilterAllocMem
	FilterServerSupportFunction // Code: SF_REQ_*
	FilterGetHeader
	FilterSetHeader
	FilterAddHeader
	FilterGetUserToken
)

// MostFuncs is more than any Func.
const MostFuncs = 128

var funcNames = map[Func]string{
	DllMain: "DllMain", GetExtensionVersion: "GetExtensionVersion", HttpExtensionProc: "HttpExtensionProc", TerminateExtension: "TerminateExtension",
	GetFilterVersion: "GetFilterVersion", HttpFilterProc: "HttpFilterProc", TerminateFilter: "TerminateFilter", Completion: "HSE_IO_COMPLETION",
	GetServerVariable: "GetServerVariable", WriteClient: "WriteClient", ReadClient: "ReadClient", ServerSupportFunction: "ServerSupportFunction",
	FilterGetServerVariable: "GetServerVariable", FilterAddResponseHeaders: "AddResponseHeaders", FilterWriteClient: "WriteClient",
	FilterAllocMem: "AllocMem", FilterServerSupportFunction: "ServerSupportFunction", FilterGetHeader: "GetHeader", FilterSetHeader: "SetHeader",
	FilterAddHeader: "AddHeader", FilterGetUserToken: "GetUserToken",
}

// String is the name in the SDK; those of filters' callbacks are not told from those of extensions.
func (f Func) String() string {
	if n, ok := funcNames[f]; ok {
		return n
	}
	return "function " + strconv.Itoa(int(f))
}

// Filters says whether filters have it, not extensions.
func (f Func) Filters() bool {
	return f >= GetFilterVersion && f <= TerminateFilter || f >= FilterGetServerVariable && f <= FilterGetUserToken
}

// Name is that of a call in one word, as logs and metrics have it: of the functions that do many things the name of what is asked for.
func Name(f Func, code uint32) string {
	switch f {
	case ServerSupportFunction:
		return isapi.Code(code).String()
	case FilterServerSupportFunction:
		return isapi.SFReq(code).String()
	case HttpFilterProc:
		return f.String() + "(" + isapi.Notification(code).String() + ")"
	default:
		return f.String()
	}
}
