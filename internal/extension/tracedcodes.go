package extension

import (
	"encoding/hex"
	"strconv"
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/taps"
	"github.com/isapid/isapid/internal/trace"
)

// teller says how what goes into a code of ServerSupportFunction is shown, and what comes out when it succeeds or there is too little room.
// Either may be nil. They look at foreign memory.
type teller struct {
	known   bool // the code's arguments, also if it has none
	in, out func(*trace.Entry, call)
}

// told has every code that does something here; a test compares it with supported.
var told = map[isapi.Code]teller{
	isapi.SendURLRedirectResp:   {known: true, in: tellURL},
	isapi.SendURL:               {known: true, in: tellURL},
	isapi.SendURLEx:             {known: true, in: func(c *trace.Entry, a call) { tellURL(c, a); taps.Text(c, "verb", a.dataType) }},
	isapi.SendResponseHeader:    {known: true, in: tellHeader},
	isapi.SendResponseHeaderEx:  {known: true, in: tellHeaderEx},
	isapi.DoneWithSession:       {known: true},
	isapi.MapURLToPath:          {known: true, in: tellURLSize, out: tellPathSize},
	isapi.MapURLToPathEx:        {known: true, in: tellURL, out: tellMapEx},
	isapi.MapUnicodeURLToPath:   {known: true, in: tellWideURLSize, out: tellWidePathSize},
	isapi.MapUnicodeURLToPathEx: {known: true, in: tellWideURL, out: tellWideMapEx},
	isapi.NormalizeURL:          {known: true, in: tellURL, out: tellURL},
	isapi.AppendLogParameter:    {known: true, in: tellText},
	isapi.IOCompletion:          {known: true, in: tellCompletion},
	isapi.AsyncReadClient:       {known: true, in: tellAsyncRead},
	isapi.CancelIO:              {known: true},
	isapi.TransmitFile:          {known: true, in: tellTransmit},
	isapi.VectorSend:            {known: true, in: tellVector},
	isapi.ExecURL:               {known: true, in: tellExec},
	isapi.ExecUnicodeURL:        {known: true, in: tellExec},
	isapi.GetExecURLStatus:      {known: true, out: tellExecStatus},
	isapi.SendCustomError:       {known: true, in: tellCustomError},
	isapi.IsKeepConn:            {known: true, out: tellAnswer},
	isapi.IsConnected:           {known: true, out: tellAnswer},
	isapi.AbortiveClose:         {known: true},
	isapi.CloseConnection:       {known: true},
	isapi.GetFileDescriptor:     {known: true, out: tellAnswer},
	isapi.Counter:               {known: true, in: tellCounter},
	isapi.GetCertInfoEx:         {known: true, in: tellCertRoom, out: tellCert},
	isapi.IsInProcess:           {known: true, out: tellAnswer},
	isapi.ReportUnhealthy:       {known: true, in: tellText},
	isapi.SetFlushFlag:          {known: true, in: func(c *trace.Entry, a call) { c.Num("flush", int64(uint32(a.buf))) }},
	isapi.GetTraceInfo:          {known: true, out: tellTraceInfo},
	isapi.GetTraceInfoEx:        {known: true, out: tellTraceConfiguration},
	isapi.RaiseTraceEvent:       {known: true, in: tellTraceEvent},
}

// ioFlags are those of WriteClient, TRANSMIT_FILE and VECTOR_SEND.
var ioFlags = []taps.Flag{
	{Bit: isapi.IOSync, Name: "HSE_IO_SYNC"}, {Bit: isapi.IOAsync, Name: "HSE_IO_ASYNC"},
	{Bit: isapi.IODisconnectAfterSend, Name: "HSE_IO_DISCONNECT_AFTER_SEND"}, {Bit: isapi.IOSendHeaders, Name: "HSE_IO_SEND_HEADERS"},
	{Bit: isapi.IOFinalSend, Name: "HSE_IO_FINAL_SEND"}, {Bit: isapi.IOCacheResponse, Name: "HSE_IO_CACHE_RESPONSE"},
	{Bit: isapi.IOTrySkipCustomErrors, Name: "HSE_IO_TRY_SKIP_CUSTOM_ERRORS"}, {Bit: isapi.IONoDelay, Name: "HSE_IO_NODELAY"},
}

var execFlags = []taps.Flag{
	{Bit: isapi.ExecNoHeaders, Name: "HSE_EXEC_URL_NO_HEADERS"}, {Bit: isapi.ExecIgnoreCurrentInterceptor, Name: "HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR"},
	{Bit: isapi.ExecIgnoreValidationAndRange, Name: "HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE"},
	{Bit: isapi.ExecDisableCustomError, Name: "HSE_EXEC_URL_DISABLE_CUSTOM_ERROR"}, {Bit: isapi.ExecSSICmd, Name: "HSE_EXEC_URL_SSI_CMD"},
	{Bit: isapi.ExecHTTPCacheEligible, Name: "HSE_EXEC_URL_HTTP_CACHE_ELIGIBLE"},
}

var urlFlags = []taps.Flag{
	{Bit: isapi.URLRead, Name: "HSE_URL_FLAGS_READ"}, {Bit: isapi.URLWrite, Name: "HSE_URL_FLAGS_WRITE"},
	{Bit: isapi.URLExecute, Name: "HSE_URL_FLAGS_EXECUTE"}, {Bit: isapi.URLSSL, Name: "HSE_URL_FLAGS_SSL"}, {Bit: isapi.URLScript, Name: "HSE_URL_FLAGS_SCRIPT"},
}

func tellURL(c *trace.Entry, a call)     { taps.Text(c, "url", a.buf) }
func tellWideURL(c *trace.Entry, a call) { taps.Wide(c, "url", a.buf) }
func tellText(c *trace.Entry, a call)    { taps.Text(c, "text", a.buf) }
func tellAnswer(c *trace.Entry, a call)  { taps.Number(c, "answer", a.buf) }

func tellURLSize(c *trace.Entry, a call) {
	tellURL(c, a)
	taps.Number(c, "size", a.size)
}

func tellWideURLSize(c *trace.Entry, a call) {
	tellWideURL(c, a)
	taps.Number(c, "size", a.size)
}

// tellPathSize shows the path where there was room for it: the URL that stands there otherwise ends in front of the size that is told.
func tellPathSize(c *trace.Entry, a call) {
	taps.Number(c, "size", a.size)
	taps.Text(c, "buffer", a.buf)
}

func tellWidePathSize(c *trace.Entry, a call) {
	taps.Number(c, "size", a.size)
	taps.Wide(c, "buffer", a.buf)
}

func tellMapEx(c *trace.Entry, a call) {
	info := native.Read[isapi.URLMapExInfo](a.dataType)
	c.Text("path", isapi.Cut(info.Path[:]))
	tellMapping(c, info.Flags, info.MatchingPath, info.MatchingURL)
}

func tellWideMapEx(c *trace.Entry, a call) {
	taps.Wide(c, "path", a.dataType)
	info := native.Read[isapi.UnicodeURLMapExInfo](a.dataType)
	tellMapping(c, info.Flags, info.MatchingPath, info.MatchingURL)
}

func tellMapping(c *trace.Entry, flags, path, url uint32) {
	taps.Flags(c, "flags", flags, urlFlags)
	c.Num("matching_path", int64(path))
	c.Num("matching_url", int64(url))
}

func tellHeader(c *trace.Entry, a call) {
	taps.Header(c, "status", a.buf, 0)
	taps.Header(c, "header", a.dataType, 0)
}

func tellHeaderEx(c *trace.Entry, a call) {
	info := native.Read[isapi.SendHeaderExInfo](a.buf)
	taps.Header(c, "status", info.Status, 0)
	taps.Header(c, "header", info.Header, info.HeaderLength)
	c.Num("status_length", int64(info.StatusLength))
	c.Num("header_length", int64(info.HeaderLength))
	c.Num("keep_conn", int64(info.KeepConn))
}

func tellCompletion(c *trace.Entry, a call) {
	c.Hex("callback", uint64(a.buf))
	c.Hex("context", uint64(a.dataType))
}

func tellAsyncRead(c *trace.Entry, a call) {
	taps.Number(c, "size", a.size)
	if a.dataType != 0 {
		taps.Flags(c, "flags", native.Read[uint32](a.dataType), ioFlags)
	}
}

func tellTransmit(c *trace.Entry, a call) {
	info := native.Read[isapi.TFInfo](a.buf)
	c.Hex("file", uint64(info.File))
	c.Num("bytes", int64(info.BytesToWrite))
	c.Num("offset", int64(info.Offset))
	taps.Flags(c, "flags", info.Flags, ioFlags)
	if info.Callback != 0 {
		c.Hex("callback", uint64(info.Callback))
		c.Hex("context", uint64(info.Context))
	}
	c.Num("head_length", int64(info.HeadLength))
	c.Num("tail_length", int64(info.TailLength))
	if info.StatusCode != 0 && info.Flags&isapi.IOSendHeaders != 0 {
		taps.Header(c, "status", info.StatusCode, 0)
	}
	switch {
	case info.Head == 0:
	case info.Flags&isapi.IOSendHeaders != 0:
		taps.Header(c, "head", info.Head, info.HeadLength)
	default:
		taps.Body(c, info.Head, int64(info.HeadLength))
	}
}

// mostElements are looked at, of which the sizes are added.
const mostElements = 256

func tellVector(c *trace.Entry, a call) {
	rv := native.Read[isapi.ResponseVector](a.buf)
	taps.Flags(c, "flags", rv.Flags, ioFlags)
	if rv.Flags&isapi.IOSendHeaders != 0 {
		taps.Header(c, "status", rv.Status, 0)
		taps.Header(c, "header", rv.Headers, 0)
	}
	c.Num("elements", int64(rv.Count))
	total := uint64(0)
	for i := range min(uintptr(rv.Count), mostElements) {
		el := native.Read[isapi.VectorElement](rv.Elements + i*elementSize)
		total += el.Size
		if i > 0 {
			continue
		}
		if el.Type == isapi.VectorFile {
			c.Word("first", "HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE")
			c.Num("offset", int64(el.Offset))
		} else {
			c.Word("first", "HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER")
			taps.Body(c, el.Context, int64(min(el.Size, 1<<31)))
		}
		c.Num("first_size", int64(el.Size))
	}
	c.Num("size", int64(total))
}

func tellExec(c *trace.Entry, a call) {
	info := native.Read[isapi.ExecURLInfo](a.buf)
	if a.code == isapi.ExecUnicodeURL {
		taps.Wide(c, "url", info.URL)
	} else {
		taps.Text(c, "url", info.URL)
	}
	taps.Text(c, "method", info.Method)
	if info.ChildHeaders != 0 {
		taps.Header(c, "headers", info.ChildHeaders, 0)
	}
	taps.Flags(c, "flags", info.Flags, execFlags)
	if info.Entity != 0 {
		e := native.Read[isapi.ExecURLEntityInfo](info.Entity)
		c.Num("entity", int64(e.Available))
		taps.Body(c, e.Data, int64(e.Available))
	}
}

func tellExecStatus(c *trace.Entry, a call) {
	st := native.Read[isapi.ExecURLStatus](a.buf)
	c.Num("http_status", int64(st.HTTPStatusCode))
	c.Num("sub_status", int64(st.HTTPSubStatus))
	c.Num("error", int64(st.Win32Error))
}

func tellCustomError(c *trace.Entry, a call) {
	info := native.Read[isapi.CustomErrorInfo](a.buf)
	taps.Header(c, "status", info.Status, 0)
	c.Num("sub_error", int64(info.HTTPSubError))
	c.Num("async", int64(info.Async))
}

func tellCounter(c *trace.Entry, a call) {
	info := native.Read[isapi.CounterInfo](a.buf)
	taps.Text(c, "name", info.Name)
	c.Text("delta", strconv.FormatFloat(info.Delta, 'g', -1, 64))
	for i := range uintptr(2 * min(info.Count, maxLabels)) {
		taps.Text(c, [...]string{"label", "value"}[i%2], native.Read[uintptr](info.Labels+i*unsafe.Sizeof(info.Name)))
	}
}

func tellCertRoom(c *trace.Entry, a call) {
	c.Num("allocated", int64(native.Read[isapi.CertContextEx](a.buf).Allocated))
}

func tellCert(c *trace.Entry, a call) {
	info := native.Read[isapi.CertContextEx](a.buf)
	c.Num("size", int64(info.EncodedSize))
	c.Hex("flags", uint64(info.CertificateFlags))
}

func tellTraceInfo(c *trace.Entry, a call) {
	info := native.Read[isapi.TraceInfo](a.buf)
	var text [2 * len(info.ContextID)]byte
	hex.Encode(text[:], info.ContextID[:])
	c.Num("trace_request", int64(info.TraceRequest))
	c.Bytes("id", text[:])
}

func tellTraceConfiguration(c *trace.Entry, a call) {
	c.Num("enabled", int64(native.Read[httpTraceConfiguration](a.buf).Enabled))
}

func tellTraceEvent(c *trace.Entry, a call) {
	ev := native.Read[httpTraceEvent](a.buf)
	c.Num("event", int64(ev.Event))
	taps.Wide(c, "name", ev.Name)
}
