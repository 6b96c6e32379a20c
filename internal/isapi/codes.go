package isapi

import "fmt"

// Version of the interface this server reports in EXTENSION_CONTROL_BLOCK.dwVersion: 6.0, major in the high word.
const Version = 6 << 16

// Return values of HttpExtensionProc.
const (
	StatusSuccess         = 1
	StatusSuccessKeepConn = 2
	StatusPending         = 3
	StatusError           = 4
)

// Flags of TerminateExtension. (Apache's mod_isapi.h has the two exchanged.)
const (
	TermAdvisoryUnload = 1
	TermMustUnload     = 2
)

// Flags of WriteClient, TRANSMIT_FILE and VECTOR_SEND.
const (
	IOSync                = 0x1
	IOAsync               = 0x2
	IODisconnectAfterSend = 0x4
	IOSendHeaders         = 0x8
	IOFinalSend           = 0x10
	IOCacheResponse       = 0x20
	IOTrySkipCustomErrors = 0x40
	IONoDelay             = 0x1000
)

// HSE_URL_FLAGS_* of the MAP_URL_TO_PATH_EX family.
const (
	URLRead    = 0x1
	URLWrite   = 0x2
	URLExecute = 0x4
	URLSSL     = 0x8
	URLScript  = 0x200
)

// Flags of HSE_EXEC_URL_INFO.
const (
	ExecNoHeaders                = 0x02
	ExecIgnoreCurrentInterceptor = 0x04
	ExecIgnoreValidationAndRange = 0x10
	ExecDisableCustomError       = 0x20
	ExecSSICmd                   = 0x40
	ExecHTTPCacheEligible        = 0x80
)

// Values of HSE_REQ_IS_IN_PROCESS.
const (
	AppInProcess   = 0
	AppIsolatedOOP = 1
	AppPooledOOP   = 2
)

// Types of HSE_VECTOR_ELEMENT.
const (
	VectorMemory = 0
	VectorFile   = 1
)

// Reasons of DllMain.
const (
	DLLProcessDetach = 0
	DLLProcessAttach = 1
	DLLThreadAttach  = 2
	DLLThreadDetach  = 3
)

// Limits of the structures.
const (
	LogBufferLen = 80
	DescLen      = 256
	MaxPath      = 260
)

// Error is a Windows error code, the number GetLastError returns. On Unix it travels in errno.
type Error uint32

// The error codes this server uses (winerror.h).
const (
	OK                 Error = 0
	FileNotFound       Error = 2
	AccessDenied       Error = 5
	InvalidHandle      Error = 6
	NotEnoughMemory    Error = 8
	WriteFault         Error = 29
	ReadFault          Error = 30
	NotSupported       Error = 50
	NetnameDeleted     Error = 64
	InvalidParameter   Error = 87
	InsufficientBuffer Error = 122
	NoData             Error = 232
	MoreData           Error = 234
	OperationAborted   Error = 995
	NoToken            Error = 1008
	InvalidIndex       Error = 1413
	WSAEInval          Error = 10022
	WSAEConnReset      Error = 10054
)

var errorNames = map[Error]string{
	OK: "ERROR_SUCCESS", FileNotFound: "ERROR_FILE_NOT_FOUND", AccessDenied: "ERROR_ACCESS_DENIED",
	InvalidHandle: "ERROR_INVALID_HANDLE", NotEnoughMemory: "ERROR_NOT_ENOUGH_MEMORY", WriteFault: "ERROR_WRITE_FAULT", ReadFault: "ERROR_READ_FAULT",
	NotSupported: "ERROR_NOT_SUPPORTED", NetnameDeleted: "ERROR_NETNAME_DELETED",
	InvalidParameter: "ERROR_INVALID_PARAMETER", InsufficientBuffer: "ERROR_INSUFFICIENT_BUFFER",
	NoData: "ERROR_NO_DATA", MoreData: "ERROR_MORE_DATA", OperationAborted: "ERROR_OPERATION_ABORTED",
	NoToken: "ERROR_NO_TOKEN", InvalidIndex: "ERROR_INVALID_INDEX", WSAEInval: "WSAEINVAL", WSAEConnReset: "WSAECONNRESET",
}

func (e Error) Error() string {
	if n, ok := errorNames[e]; ok {
		return fmt.Sprintf("%s (%d)", n, uint32(e))
	}
	return fmt.Sprintf("Windows error %d", uint32(e))
}
