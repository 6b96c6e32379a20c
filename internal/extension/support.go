package extension

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
)

// call is one call of ServerSupportFunction. Most arguments mean nothing for most codes and are garbage then: touch only
// what the code needs. Some callers pass values where the prototype has pointers.
type call struct {
	code                isapi.Code
	buf, size, dataType uintptr
}

// Longest texts taken from an extension, in bytes.
const (
	maxURL    = 64 << 10
	maxHeader = 1 << 20
	maxText   = 64 << 10
)

// supported has every code that does something here. docs/conformance.md lists them with their tests; a test compares
// the two. All others, known or not, are FALSE with ERROR_INVALID_PARAMETER. On Windows there are tokens, too.
var supported = map[isapi.Code]func(*request, call) isapi.Error{
	isapi.SendURLRedirectResp:   (*request).redirect,
	isapi.SendURL:               (*request).sendURLGet,
	isapi.SendURLEx:             (*request).sendURLVerb,
	isapi.SendResponseHeader:    (*request).sendHeader,
	isapi.SendResponseHeaderEx:  (*request).sendHeaderEx,
	isapi.DoneWithSession:       (*request).doneCalled,
	isapi.MapURLToPath:          (*request).mapURL,
	isapi.MapURLToPathEx:        (*request).mapURLEx,
	isapi.MapUnicodeURLToPath:   (*request).mapUnicodeURL,
	isapi.MapUnicodeURLToPathEx: (*request).mapUnicodeURLEx,
	isapi.NormalizeURL:          (*request).normalizeURL,
	isapi.AppendLogParameter:    (*request).appendLog,
	isapi.IOCompletion:          (*request).setCompletion,
	isapi.AsyncReadClient:       (*request).asyncRead,
	isapi.CancelIO:              func(q *request, _ call) isapi.Error { return q.cancelIO() },
	isapi.TransmitFile:          (*request).transmitFile,
	isapi.VectorSend:            (*request).vectorSend,
	isapi.ExecURL:               (*request).execURL,
	isapi.ExecUnicodeURL:        (*request).execURL,
	isapi.GetExecURLStatus:      (*request).execURLStatus,
	isapi.SendCustomError:       (*request).sendCustomError,
	isapi.IsKeepConn:            (*request).isKeepConn,
	isapi.IsConnected:           (*request).isConnected,
	isapi.AbortiveClose:         (*request).abortiveClose,
	isapi.CloseConnection:       func(q *request, _ call) isapi.Error { return q.closeConnection() },
	isapi.GetFileDescriptor:     (*request).fileDescriptor,
	isapi.Counter:               (*request).count,
	isapi.GetCertInfoEx:         func(q *request, c call) isapi.Error { return q.vars.CertInfo(c.buf) },
	isapi.IsInProcess:           (*request).isInProcess,
	isapi.ReportUnhealthy:       (*request).reportUnhealthy,
	isapi.SetFlushFlag:          func(q *request, c call) isapi.Error { q.resp.SetFlush(uint32(c.buf) != 0); return isapi.OK },
	isapi.GetTraceInfo:          (*request).traceInfo,
	isapi.GetTraceInfoEx:        (*request).traceInfoEx,
	isapi.RaiseTraceEvent:       (*request).raiseTrace,
}

// ServerSupportFunction is the callback of that name.
func (q *request) ServerSupportFunction(code isapi.Code, buf, size, dataType uintptr) isapi.Error {
	f := supported[code]
	if f == nil {
		return isapi.InvalidParameter
	}
	return f(q, call{code, buf, size, dataType})
}

// sendHeader is HSE_REQ_SEND_RESPONSE_HEADER: the status is in buf, the header text where dataType points.
func (q *request) sendHeader(c call) isapi.Error {
	return q.sendHead(c.code, native.String(c.buf, maxText), native.String(c.dataType, maxHeader), nil)
}

func (q *request) sendHeaderEx(c call) isapi.Error {
	info := native.Read[isapi.SendHeaderExInfo](c.buf)
	keep := info.KeepConn != 0
	status, header := counted(info.Status, info.StatusLength, maxText), counted(info.Header, info.HeaderLength, maxHeader)
	if int64(info.StatusLength) > int64(len(status))+1 || int64(info.HeaderLength) > int64(len(header))+1 {
		q.misused(executor.WrongSize, trace.ServerSupportFunction, c.code, fmt.Sprintf(
			"the status of %d bytes is said to have %d, and the header of %d to have %d", len(status), info.StatusLength, len(header), info.HeaderLength))
	}
	return q.sendHead(c.code, status, header, &keep)
}

// counted is a text with a length that may count the NUL, may be 0 for "up to the NUL", and may be more than there is.
func counted(p uintptr, n uint32, limit int) string {
	s := native.String(p, limit)
	if n > 0 && int64(n) < int64(len(s)) {
		s = s[:n]
	}
	return s
}

func (q *request) sendHead(code isapi.Code, status, headers string, keep *bool) isapi.Error {
	h, err := q.parseHead(code, status, headers)
	if err != nil {
		if q.firstRefusal() {
			q.logger().Warn("response header refused", "error", err, "url", q.r.URL.RequestURI())
		}
		return isapi.InvalidParameter
	}
	return q.resp.Begin(&h, keep)
}

// firstRefusal says whether to log a call that is refused. Of each request one is: an image that calls without end must not fill the log.
func (q *request) firstRefusal() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := !q.warned
	q.warned = true
	return first
}

// parseHead is [isapi.ParseHead] for a call of that code, in which the client may have had its hands.
func (q *request) parseHead(code isapi.Code, status, headers string) (isapi.Head, error) {
	h, err := isapi.ParseHead(status, headers)
	switch {
	case err == nil:
		q.injected(code, headers)
	case !errors.Is(err, isapi.ErrStatus):
		q.misused(executor.HeaderInjection, trace.ServerSupportFunction, code, err.Error())
	}
	return h, err
}

// redirect is HSE_REQ_SEND_URL_REDIRECT_RESP: a complete 302. What the extension sends after it is dropped.
func (q *request) redirect(c call) isapi.Error {
	url := native.String(c.buf, maxURL)
	if url == "" || strings.ContainsFunc(url, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		if q.firstRefusal() {
			q.logger().Warn("redirect refused: the URL is empty or has control characters", "url", q.r.URL.RequestURI())
		}
		if url != "" {
			q.misused(executor.HeaderInjection, trace.ServerSupportFunction, c.code, "the URL has control characters: "+isapi.Printable(isapi.Clip(url)))
		}
		return isapi.InvalidParameter
	}
	h := isapi.Head{Status: http.StatusFound, Fields: []isapi.Field{{Name: "Location", Value: url}, {Name: "Content-Type", Value: "text/html"}},
		Body: "<html><head><title>Object moved</title></head><body><h1>Object moved</h1>This object may be found <a href=\"" +
			htmlEscaper.Replace(url) + "\">here</a>.</body></html>\r\n"}
	return q.resp.Complete(&h)
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// sendCustomError is HSE_REQ_SEND_CUSTOM_ERROR: the server's page for a status the extension names.
func (q *request) sendCustomError(c call) isapi.Error {
	info := native.Read[isapi.CustomErrorInfo](c.buf)
	status, reason, err := isapi.ParseStatus(native.String(info.Status, maxText))
	if err != nil || status < 400 {
		return isapi.InvalidParameter
	}
	send := func() (uint32, isapi.Error) {
		n, err := q.resp.Page(status, int(info.HTTPSubError), reason)
		return uint32(n), err
	}
	if info.Async != 0 {
		return q.async(c.code, writing, 0, 0, send)
	}
	_, e := send()
	return e
}

// appendLog is HSE_APPEND_LOG_PARAMETER: text for the query field of the log. At most 4 KiB of it are kept.
func (q *request) appendLog(c call) isapi.Error {
	text := isapi.Printable(ansi.Decode(native.String(c.buf, maxText)))
	q.mu.Lock()
	defer q.mu.Unlock()
	if text = text[:min(len(text), 4096-q.logged)]; text != "" {
		q.log = append(q.log, text)
		q.logged += len(text)
	}
	return isapi.OK
}

func (q *request) setCompletion(c call) isapi.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.io.callback, q.io.context = c.buf, c.dataType
	return isapi.OK
}

func (q *request) asyncRead(c call) isapi.Error {
	if c.buf == 0 || c.size == 0 {
		return q.wrongSize(trace.ServerSupportFunction, c.code, "the pointer to the buffer, or to its size, is NULL")
	}
	if c.dataType == 0 || native.Read[uint32](c.dataType) != isapi.IOAsync {
		return isapi.InvalidParameter
	}
	want := native.Read[uint32](c.size)
	return q.async(c.code, reading, 0, 0, func() (uint32, isapi.Error) {
		n, err := q.readInto(c.buf, want)
		return uint32(n), err
	})
}
