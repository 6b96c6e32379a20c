package isapi

// The structures of filters. filter_test.go has every size and offset as a number.

// FilterVersion is HTTP_FILTER_VERSION.
type FilterVersion struct {
	ServerFilterVersion uint32
	FilterVersion       uint32
	Desc                [FilterDescLen]byte
	Flags               uint32
}

// FilterContext is HTTP_FILTER_CONTEXT.
type FilterContext struct {
	Size                  uint32
	Revision              uint32
	ServerContext         uintptr
	Reserved              uint32
	IsSecurePort          int32
	FilterContext         uintptr // pFilterContext, the filter's own
	GetServerVariable     uintptr
	AddResponseHeaders    uintptr
	WriteClient           uintptr
	AllocMem              uintptr
	ServerSupportFunction uintptr
}

// FilterRawData is HTTP_FILTER_RAW_DATA.
type FilterRawData struct {
	Data     uintptr
	Length   uint32 // cbInData
	Capacity uint32 // cbInBuffer
	Reserved uint32
}

// FilterPreprocHeaders is HTTP_FILTER_PREPROC_HEADERS. The first three members are those of FilterAuthComplete: filters cast
// one to the other.
type FilterPreprocHeaders struct {
	GetHeader  uintptr
	SetHeader  uintptr
	AddHeader  uintptr
	HTTPStatus uint32
	Reserved   uint32
}

// FilterSendResponse is HTTP_FILTER_SEND_RESPONSE.
type FilterSendResponse = FilterPreprocHeaders

// FilterAuthComplete is HTTP_FILTER_AUTH_COMPLETE_INFO.
type FilterAuthComplete struct {
	GetHeader    uintptr
	SetHeader    uintptr
	AddHeader    uintptr
	GetUserToken uintptr
	HTTPStatus   uint32
	ResetAuth    int32
	Reserved     uint32
}

// FilterAuthent is HTTP_FILTER_AUTHENT.
type FilterAuthent struct {
	User         uintptr
	UserSize     uint32
	Password     uintptr
	PasswordSize uint32
}

// FilterURLMapEx is HTTP_FILTER_URL_MAP_EX; HTTP_FILTER_URL_MAP ends after PathSize.
type FilterURLMapEx struct {
	URL          uintptr
	Path         uintptr
	PathSize     uint32
	Flags        uint32
	MatchingPath uint32
	MatchingURL  uint32
	ScriptMap    uintptr // NULL if there is none
}

// FilterAccessDenied is HTTP_FILTER_ACCESS_DENIED.
type FilterAccessDenied struct {
	URL    uintptr
	Path   uintptr
	Reason uint32
}

// FilterLog is HTTP_FILTER_LOG.
type FilterLog struct {
	ClientHostName uintptr
	ClientUserName uintptr
	ServerName     uintptr
	Operation      uintptr
	Target         uintptr
	Parameters     uintptr
	HTTPStatus     uint32
	Win32Status    uint32
	BytesSent      uint32
	BytesReceived  uint32
	Milliseconds   uint32
}
