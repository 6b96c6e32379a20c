package extension

import (
	"net/url"
	"strings"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/misuse"
	"github.com/isapid/isapid/internal/native"
	"github.com/isapid/isapid/internal/trace"
)

// watchImage begins to watch what the image does, which is about to be loaded.
func (e *Extension) watchImage() {
	e.watch = misuse.New(misuse.Of{
		Image: e.image.Path, Staged: e.staged.Path, Number: e.opt.ImageID, Checks: e.opt.Checks, Found: e.opt.Found,
	})
}

// misused tells of what a callback of the request was given, from within that.
func (q *request) misused(kind executor.FindingKind, f trace.Func, code isapi.Code, text string) {
	q.e.watch.Caller(kind, f, uint32(code), q.t.Trail.Number(), text)
}

// wrongSize is misused for a size or a pointer that cannot be; it is the callback's answer.
func (q *request) wrongSize(f trace.Func, code isapi.Code, text string) isapi.Error {
	q.misused(executor.WrongSize, f, code, text)
	return isapi.InvalidParameter
}

// Room is [variables.Closer]: the image must have the room that it says it has.
func (q *request) Room(p uintptr, n uint32) {
	if p == 0 || n == 0 {
		return
	}
	if native.Protect(func() isapi.Error { native.Writable(p+uintptr(n)-1, 1); return isapi.OK }) != isapi.OK {
		q.misused(executor.WrongSize, trace.GetServerVariable, 0, "it says that its buffer has more bytes than there are at that place")
	}
}

// injected looks for lines of a header text that the client has sent: percent-encoded in the URL, where CR LF is %0D%0A. They have
// become lines of the response because the image put what it was sent into a line of its own.
func (q *request) injected(code isapi.Code, headers string) {
	if q.e.watch == nil {
		return
	}
	uri := q.r.RequestURI
	if uri == "" { // a child request
		uri = q.r.URL.RequestURI()
	}
	path, query, _ := strings.Cut(uri, "?")
	for _, sent := range [...]string{query, path, first(q.r.Header["Cookie"]), first(q.r.Header["Referer"])} {
		if q.madeLine(code, headers, sent) {
			return
		}
	}
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// madeLine is injected for one thing that the client has sent. Most have nothing that is encoded.
func (q *request) madeLine(code isapi.Code, headers, sent string) bool {
	if strings.IndexByte(sent, '%') < 0 {
		return false
	}
	line := injectedLine(headers, sent)
	if line != "" {
		q.misused(executor.HeaderInjection, trace.ServerSupportFunction, code, "the client has made a line of the response's header: "+isapi.Printable(isapi.Clip(line)))
	}
	return line != ""
}

// injectedLine is the line of a header text that stands, encoded and after an encoded line feed, in what a client sent; "" if there is none.
func injectedLine(headers, sent string) string {
	for {
		i := strings.Index(strings.ToLower(sent), "%0a")
		if i < 0 {
			return ""
		}
		sent = sent[i+3:]
		end := strings.Index(strings.ToLower(sent), "%0")
		if end < 0 {
			end = len(sent)
		}
		for _, decode := range [...]func(string) (string, error){url.PathUnescape, url.QueryUnescape} { // a "+" is a blank for some
			line, err := decode(sent[:end])
			if err == nil && isFieldLine(line) && strings.Contains(headers, "\n"+line) {
				return line
			}
		}
	}
}

func isFieldLine(s string) bool {
	name, _, ok := strings.Cut(s, ":")
	return ok && isapi.IsToken(strings.TrimSpace(name))
}

// endedWell looks at how the image ended the request. status is what HttpExtensionProc returned.
func (q *request) endedWell(status uint32) {
	var text string
	q.mu.Lock()
	said := q.said
	q.mu.Unlock()
	switch {
	case status == isapi.StatusPending:
		return
	case said:
		text = "it called HSE_REQ_DONE_WITH_SESSION and did not return HSE_STATUS_PENDING: both end the request"
	case q.outstanding():
		text = "it did not return HSE_STATUS_PENDING while an asynchronous operation was outstanding: the request ends before that"
	default:
		return
	}
	q.e.watch.Tell(executor.DoubleCompletion, trace.HttpExtensionProc.String(), q.t.Trail.Number(), text)
}

// overwritten tells of fields of the control block that are the server's. was is what it held when the image got it.
func (q *request) overwritten(was *isapi.ControlBlock) {
	is := *q.slot.ECB()
	is.HTTPStatusCode, is.LogData = was.HTTPStatusCode, was.LogData
	if is != *was {
		q.e.watch.Tell(executor.ECBOverwritten, trace.HttpExtensionProc.String(), q.t.Trail.Number(),
			"it has written to fields of its EXTENSION_CONTROL_BLOCK that are the server's: "+strings.Join(fieldsChanged(was, &is), ", "))
	}
}

func fieldsChanged(was, is *isapi.ControlBlock) (names []string) {
	for _, f := range []struct {
		name    string
		changed bool
	}{
		{"cbSize", was.Size != is.Size}, {"dwVersion", was.Version != is.Version}, {"ConnID", was.ConnID != is.ConnID},
		{"lpszMethod", was.Method != is.Method}, {"lpszQueryString", was.QueryString != is.QueryString},
		{"lpszPathInfo", was.PathInfo != is.PathInfo}, {"lpszPathTranslated", was.PathTranslated != is.PathTranslated},
		{"cbTotalBytes", was.TotalBytes != is.TotalBytes}, {"cbAvailable", was.Available != is.Available},
		{"lpbData", was.Data != is.Data}, {"lpszContentType", was.ContentType != is.ContentType},
		{"GetServerVariable", was.GetServerVariable != is.GetServerVariable}, {"WriteClient", was.WriteClient != is.WriteClient},
		{"ReadClient", was.ReadClient != is.ReadClient}, {"ServerSupportFunction", was.ServerSupportFunction != is.ServerSupportFunction},
	} {
		if f.changed {
			names = append(names, f.name)
		}
	}
	return names
}
