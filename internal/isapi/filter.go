package isapi

import (
	"slices"
	"strconv"
	"strings"
)

// FilterRevision is the revision of the filter interface this server reports: 6.0, major in the high word.
const FilterRevision = 6 << 16

// The bits of HTTP_FILTER_VERSION.dwFlags, SF_NOTIFY_*: a call of HttpFilterProc is told exactly one of those from
// NotifySendResponse to NotifyAuthComplete.
const (
	NotifySecurePort      = 0x1 // no event: those of the secure port are wanted. Neither this nor the next: both
	NotifyNonsecurePort   = 0x2
	NotifySendResponse    = 0x40
	NotifyEndOfRequest    = 0x80
	NotifyEndOfNetSession = 0x100
	NotifyLog             = 0x200
	NotifySendRawData     = 0x400
	NotifyAccessDenied    = 0x800
	NotifyURLMap          = 0x1000
	NotifyAuthentication  = 0x2000
	NotifyPreprocHeaders  = 0x4000
	NotifyReadRawData     = 0x8000
	NotifyAuthComplete    = 0x04000000

	NotifyOrderLow     = 0x20000
	NotifyOrderMedium  = 0x40000
	NotifyOrderHigh    = 0x80000
	NotifyOrderDefault = NotifyOrderLow
	NotifyOrderMask    = NotifyOrderLow | NotifyOrderMedium | NotifyOrderHigh

	// NotifyEvents are all bits that are events.
	NotifyEvents = NotifySendResponse | NotifyEndOfRequest | NotifyEndOfNetSession | NotifyLog | NotifySendRawData | NotifyAccessDenied |
		NotifyURLMap | NotifyAuthentication | NotifyPreprocHeaders | NotifyReadRawData | NotifyAuthComplete
)

// Notification is one or several of the bits above, for messages.
type Notification uint32

var notificationNames = []struct {
	bit  Notification
	name string
}{
	{NotifySecurePort, "SECURE_PORT"}, {NotifyNonsecurePort, "NONSECURE_PORT"}, {NotifySendResponse, "SEND_RESPONSE"},
	{NotifyEndOfRequest, "END_OF_REQUEST"}, {NotifyEndOfNetSession, "END_OF_NET_SESSION"}, {NotifyLog, "LOG"},
	{NotifySendRawData, "SEND_RAW_DATA"}, {NotifyAccessDenied, "ACCESS_DENIED"}, {NotifyURLMap, "URL_MAP"},
	{NotifyAuthentication, "AUTHENTICATION"}, {NotifyPreprocHeaders, "PREPROC_HEADERS"}, {NotifyReadRawData, "READ_RAW_DATA"},
	{NotifyOrderLow, "ORDER_LOW"}, {NotifyOrderMedium, "ORDER_MEDIUM"}, {NotifyOrderHigh, "ORDER_HIGH"},
	{NotifyAuthComplete, "AUTH_COMPLETE"},
}

// String names the bits as the SDK does, "SF_NOTIFY_LOG" or "SF_NOTIFY_LOG|SF_NOTIFY_ORDER_HIGH"; what has no name is a number.
func (n Notification) String() string {
	var parts []string
	for _, b := range notificationNames {
		if n&b.bit != 0 {
			parts = append(parts, "SF_NOTIFY_"+b.name)
			n &^= b.bit
		}
	}
	if n != 0 || parts == nil {
		parts = append(parts, "0x"+strconv.FormatUint(uint64(n), 16))
	}
	return strings.Join(parts, "|")
}

// Return values of HttpFilterProc, SF_STATUS_REQ_*. Any other counts as FilterNextNotification.
const (
	FilterFinished            = 0x08000000
	FilterFinishedKeepConn    = 0x08000001
	FilterNextNotification    = 0x08000002
	FilterHandledNotification = 0x08000003
	FilterError               = 0x08000004
	FilterReadNext            = 0x08000005
)

// FilterStatus is one of the values above, for messages.
type FilterStatus uint32

var filterStatusNames = [...]string{"FINISHED", "FINISHED_KEEP_CONN", "NEXT_NOTIFICATION", "HANDLED_NOTIFICATION", "ERROR", "READ_NEXT"}

// String is the SDK's name of the status, or its number.
func (s FilterStatus) String() string {
	if i := s - FilterFinished; int64(i) < int64(len(filterStatusNames)) {
		return "SF_STATUS_REQ_" + filterStatusNames[i]
	}
	return "0x" + strconv.FormatUint(uint64(s), 16)
}

// SFReq is the request code of a filter's ServerSupportFunction, SF_REQ_*.
type SFReq uint32

// Every code the public headers name, and those that others brought.
const (
	SFSendResponseHeader   SFReq = 0
	SFAddHeadersOnDenial   SFReq = 1
	SFSetNextReadSize      SFReq = 2
	SFSetProxyInfo         SFReq = 3
	SFGetConnID            SFReq = 4
	SFSetCertificateInfo   SFReq = 5
	SFGetProperty          SFReq = 6
	SFNormalizeURL         SFReq = 7
	SFDisableNotifications SFReq = 8
	SFGetCertInfoEx              = SFReq(GetCertInfoEx)     // the extension's code
	SFGetFileDescriptor          = SFReq(GetFileDescriptor) // Zeus's request, with our number
)

var sfReqNames = map[SFReq]string{
	SFSendResponseHeader:   "SF_REQ_SEND_RESPONSE_HEADER",
	SFAddHeadersOnDenial:   "SF_REQ_ADD_HEADERS_ON_DENIAL",
	SFSetNextReadSize:      "SF_REQ_SET_NEXT_READ_SIZE",
	SFSetProxyInfo:         "SF_REQ_SET_PROXY_INFO",
	SFGetConnID:            "SF_REQ_GET_CONNID",
	SFSetCertificateInfo:   "SF_REQ_SET_CERTIFICATE_INFO",
	SFGetProperty:          "SF_REQ_GET_PROPERTY",
	SFNormalizeURL:         "SF_REQ_NORMALIZE_URL",
	SFDisableNotifications: "SF_REQ_DISABLE_NOTIFICATIONS",
	SFGetCertInfoEx:        "HSE_REQ_GET_CERT_INFO_EX",
	SFGetFileDescriptor:    "SF_REQ_GET_FILE_DESCRIPTOR",
}

// String is the SDK's name of the code, or its number.
func (c SFReq) String() string {
	if n, ok := sfReqNames[c]; ok {
		return n
	}
	return "SF_REQ " + strconv.FormatUint(uint64(c), 10)
}

// SFReqs lists every named code in ascending order.
func SFReqs() []SFReq {
	var cs []SFReq
	for c := range sfReqNames {
		cs = append(cs, c)
	}
	slices.Sort(cs)
	return cs
}

// What SFGetProperty is asked for, SF_PROPERTY_*.
const (
	PropertySSLContext    = 0
	PropertyInstanceNumID = 1
)

// Why access is denied, SF_DENIED_*: one of the first four, DeniedByConfig perhaps with it.
const (
	DeniedLogon       = 0x1
	DeniedResource    = 0x2
	DeniedFilter      = 0x4
	DeniedApplication = 0x8
	DeniedByConfig    = 0x10000
)

// Lengths of the texts in the structures, in bytes with the NUL.
const (
	MaxUserName   = 257
	MaxPassword   = 257
	MaxAuthType   = 33
	FilterDescLen = 257
)
