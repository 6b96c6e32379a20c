package isapi

import (
	"slices"
	"strconv"
)

// Code is the request code of ServerSupportFunction, HSE_REQ_*.
type Code uint32

// Every code the public headers name, and ours.
const (
	SendURLRedirectResp                   Code = 1
	SendURL                               Code = 2
	SendResponseHeader                    Code = 3
	DoneWithSession                       Code = 4
	MapURLToPath                          Code = 1001
	GetSSPIInfo                           Code = 1002
	AppendLogParameter                    Code = 1003
	SendURLEx                             Code = 1004
	IOCompletion                          Code = 1005
	TransmitFile                          Code = 1006
	RefreshISAPIACL                       Code = 1007
	IsKeepConn                            Code = 1008
	AsyncReadClient                       Code = 1010
	GetImpersonationToken                 Code = 1011
	MapURLToPathEx                        Code = 1012
	AbortiveClose                         Code = 1014
	GetCertInfoEx                         Code = 1015
	SendResponseHeaderEx                  Code = 1016
	CloseConnection                       Code = 1017
	IsConnected                           Code = 1018
	ExtensionTrigger                      Code = 1020
	MapUnicodeURLToPath                   Code = 1023
	MapUnicodeURLToPathEx                 Code = 1024
	ExecUnicodeURL                        Code = 1025
	ExecURL                               Code = 1026
	GetExecURLStatus                      Code = 1027
	SendCustomError                       Code = 1028
	IsInProcess                           Code = 1030
	ReportUnhealthy                       Code = 1032
	NormalizeURL                          Code = 1033
	VectorSend                            Code = 1037
	GetAnonymousToken                     Code = 1038
	GetCacheInvalidationCallback          Code = 1040
	GetUnicodeAnonymousToken              Code = 1041
	GetTraceInfo                          Code = 1042
	SetFlushFlag                          Code = 1043
	GetTraceInfoEx                        Code = 1044
	RaiseTraceEvent                       Code = 1045
	GetConfigObject                       Code = 1046
	GetWorkerProcessSettings              Code = 1047
	GetProtocolManagerCustomInterfaceCall Code = 1048
	CancelIO                              Code = 1049
	GetChannelBindingToken                Code = 1050
	GetFileDescriptor                     Code = 2001 // Zeus's request; its number is in no public header, this one is ours
	Counter                               Code = 2002 // ours
)

var codeNames = map[Code]string{
	SendURLRedirectResp:                   "HSE_REQ_SEND_URL_REDIRECT_RESP",
	SendURL:                               "HSE_REQ_SEND_URL",
	SendResponseHeader:                    "HSE_REQ_SEND_RESPONSE_HEADER",
	DoneWithSession:                       "HSE_REQ_DONE_WITH_SESSION",
	MapURLToPath:                          "HSE_REQ_MAP_URL_TO_PATH",
	GetSSPIInfo:                           "HSE_REQ_GET_SSPI_INFO",
	AppendLogParameter:                    "HSE_APPEND_LOG_PARAMETER",
	SendURLEx:                             "HSE_REQ_SEND_URL_EX",
	IOCompletion:                          "HSE_REQ_IO_COMPLETION",
	TransmitFile:                          "HSE_REQ_TRANSMIT_FILE",
	RefreshISAPIACL:                       "HSE_REQ_REFRESH_ISAPI_ACL",
	IsKeepConn:                            "HSE_REQ_IS_KEEP_CONN",
	AsyncReadClient:                       "HSE_REQ_ASYNC_READ_CLIENT",
	GetImpersonationToken:                 "HSE_REQ_GET_IMPERSONATION_TOKEN",
	MapURLToPathEx:                        "HSE_REQ_MAP_URL_TO_PATH_EX",
	AbortiveClose:                         "HSE_REQ_ABORTIVE_CLOSE",
	GetCertInfoEx:                         "HSE_REQ_GET_CERT_INFO_EX",
	SendResponseHeaderEx:                  "HSE_REQ_SEND_RESPONSE_HEADER_EX",
	CloseConnection:                       "HSE_REQ_CLOSE_CONNECTION",
	IsConnected:                           "HSE_REQ_IS_CONNECTED",
	ExtensionTrigger:                      "HSE_REQ_EXTENSION_TRIGGER",
	MapUnicodeURLToPath:                   "HSE_REQ_MAP_UNICODE_URL_TO_PATH",
	MapUnicodeURLToPathEx:                 "HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX",
	ExecUnicodeURL:                        "HSE_REQ_EXEC_UNICODE_URL",
	ExecURL:                               "HSE_REQ_EXEC_URL",
	GetExecURLStatus:                      "HSE_REQ_GET_EXEC_URL_STATUS",
	SendCustomError:                       "HSE_REQ_SEND_CUSTOM_ERROR",
	IsInProcess:                           "HSE_REQ_IS_IN_PROCESS",
	ReportUnhealthy:                       "HSE_REQ_REPORT_UNHEALTHY",
	NormalizeURL:                          "HSE_REQ_NORMALIZE_URL",
	VectorSend:                            "HSE_REQ_VECTOR_SEND",
	GetAnonymousToken:                     "HSE_REQ_GET_ANONYMOUS_TOKEN",
	GetCacheInvalidationCallback:          "HSE_REQ_GET_CACHE_INVALIDATION_CALLBACK",
	GetUnicodeAnonymousToken:              "HSE_REQ_GET_UNICODE_ANONYMOUS_TOKEN",
	GetTraceInfo:                          "HSE_REQ_GET_TRACE_INFO",
	SetFlushFlag:                          "HSE_REQ_SET_FLUSH_FLAG",
	GetTraceInfoEx:                        "HSE_REQ_GET_TRACE_INFO_EX",
	RaiseTraceEvent:                       "HSE_REQ_RAISE_TRACE_EVENT",
	GetConfigObject:                       "HSE_REQ_GET_CONFIG_OBJECT",
	GetWorkerProcessSettings:              "HSE_REQ_GET_WORKER_PROCESS_SETTINGS",
	GetProtocolManagerCustomInterfaceCall: "HSE_REQ_GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK",
	CancelIO:                              "HSE_REQ_CANCEL_IO",
	GetChannelBindingToken:                "HSE_REQ_GET_CHANNEL_BINDING_TOKEN",
	GetFileDescriptor:                     "HSE_REQ_GET_FILE_DESCRIPTOR",
	Counter:                               "HSE_REQ_COUNTER",
}

// String is the SDK's name of the code, or its number.
func (c Code) String() string {
	if n, ok := codeNames[c]; ok {
		return n
	}
	return "HSE_REQ " + strconv.FormatUint(uint64(c), 10)
}

// Codes lists every named code in ascending order.
func Codes() []Code {
	var cs []Code
	for c := range codeNames {
		cs = append(cs, c)
	}
	slices.Sort(cs)
	return cs
}
