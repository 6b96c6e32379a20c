package isapi

// The structures as the C side has them, in Go's natural alignment, which is C's on every system we build for. Pointers
// are uintptr: most are the extension's and may hold anything. layout_test.go has every size and offset as a number, and a
// test of the SDK compares its C headers with the same numbers.

// ControlBlock is EXTENSION_CONTROL_BLOCK.
type ControlBlock struct {
	Size                  uint32
	Version               uint32
	ConnID                uintptr
	HTTPStatusCode        uint32
	LogData               [LogBufferLen]byte
	Method                uintptr
	QueryString           uintptr
	PathInfo              uintptr
	PathTranslated        uintptr
	TotalBytes            uint32
	Available             uint32
	Data                  uintptr
	ContentType           uintptr
	GetServerVariable     uintptr
	WriteClient           uintptr
	ReadClient            uintptr
	ServerSupportFunction uintptr
}

// VersionInfo is HSE_VERSION_INFO.
type VersionInfo struct {
	ExtensionVersion uint32
	Desc             [DescLen]byte
}

// CounterInfo is HSE_COUNTER_INFO, of HSE_REQ_COUNTER.
type CounterInfo struct {
	Delta    float64
	Name     uintptr
	Labels   uintptr // to 2*Count texts: name, value, name, value …
	Count    uint32
	Reserved uint32
}

// TFInfo is HSE_TF_INFO.
type TFInfo struct {
	Callback     uintptr
	Context      uintptr
	File         uintptr
	StatusCode   uintptr
	BytesToWrite uint32
	Offset       uint32
	Head         uintptr
	HeadLength   uint32
	Tail         uintptr
	TailLength   uint32
	Flags        uint32
}

// SendHeaderExInfo is HSE_SEND_HEADER_EX_INFO.
type SendHeaderExInfo struct {
	Status       uintptr
	Header       uintptr
	StatusLength uint32
	HeaderLength uint32
	KeepConn     int32
}

// URLMapExInfo is HSE_URL_MAPEX_INFO.
type URLMapExInfo struct {
	Path         [MaxPath]byte
	Flags        uint32
	MatchingPath uint32
	MatchingURL  uint32
	Reserved1    uint32
	Reserved2    uint32
}

// UnicodeURLMapExInfo is HSE_UNICODE_URL_MAPEX_INFO.
type UnicodeURLMapExInfo struct {
	Path         [MaxPath]uint16
	Flags        uint32
	MatchingPath uint32
	MatchingURL  uint32
}

// ExecURLInfo is HSE_EXEC_URL_INFO and, with wide strings, HSE_EXEC_UNICODE_URL_INFO.
type ExecURLInfo struct {
	URL          uintptr
	Method       uintptr
	ChildHeaders uintptr
	UserInfo     uintptr
	Entity       uintptr
	Flags        uint32
}

// ExecURLUserInfo is HSE_EXEC_URL_USER_INFO.
type ExecURLUserInfo struct {
	ImpersonationToken uintptr
	CustomUserName     uintptr
	CustomAuthType     uintptr
}

// ExecURLEntityInfo is HSE_EXEC_URL_ENTITY_INFO.
type ExecURLEntityInfo struct {
	Available uint32
	Data      uintptr
}

// ExecURLStatus is HSE_EXEC_URL_STATUS.
type ExecURLStatus struct {
	HTTPStatusCode uint16
	HTTPSubStatus  uint16
	Win32Error     uint32
}

// CustomErrorInfo is HSE_CUSTOM_ERROR_INFO.
type CustomErrorInfo struct {
	Status       uintptr
	HTTPSubError uint16
	Async        int32
}

// VectorElement is HSE_VECTOR_ELEMENT.
type VectorElement struct {
	Type    uint32
	Context uintptr
	Offset  uint64
	Size    uint64
}

// ResponseVector is HSE_RESPONSE_VECTOR.
type ResponseVector struct {
	Flags    uint32
	Status   uintptr
	Headers  uintptr
	Count    uint32
	Elements uintptr
}

// CertContext is CERT_CONTEXT.
type CertContext struct {
	EncodingType uint32
	Encoded      uintptr
	EncodedSize  uint32
	Info         uintptr
	Store        uintptr
}

// CertContextEx is CERT_CONTEXT_EX.
type CertContextEx struct {
	CertContext
	Allocated        uint32
	CertificateFlags uint32
}

// TraceInfo is HSE_TRACE_INFO.
type TraceInfo struct {
	TraceRequest int32
	ContextID    [16]byte
	Reserved1    uint32
	Reserved2    uint32
}
