// Package variables is GetServerVariable, as extensions and filters call it: the names, their values, and how they are copied out.
package variables

import (
	"encoding/hex"
	"net/http"
	"net/textproto"
	"sort"
	"strings"

	"github.com/isapid/isapid/internal/ansi"
	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// Request is a request whose variables are asked for. All fields but Closer must be set. What they do not say is an empty text: before it is
// known where a request leads, T has an application at most.
type Request struct {
	R      *http.Request
	T      *executor.Target
	Client executor.Client
	Length int64  // CONTENT_LENGTH; negative: it is unknown, and the variable is empty
	Closer Closer // nil: nobody looks closely at what it is given
}

// Closer looks at the memory that a callback was given to write to.
type Closer interface {
	// Room is told of memory of n bytes at p, before anything is written there.
	Room(p uintptr, n uint32)
}

// maxName is the longest name that is looked at, in bytes.
const maxName = 64 << 10

// Copy is the callback GetServerVariable: case-insensitive; a known variable without a value is an empty text; an unknown name
// or an absent header is ERROR_INVALID_INDEX, which real images test for. The pointers are the image's, see package native.
func (q *Request) Copy(name, buf, size uintptr) isapi.Error {
	if name == 0 || size == 0 {
		return isapi.InvalidParameter
	}
	if q.Closer != nil {
		q.Closer.Room(buf, native.Read[uint32](size))
	}
	text := native.Text(name, maxName)
	if f := variables[string(text)]; f != nil { // as nearly all ask
		return copyNarrow(string(text), f(q), buf, size)
	}
	n := strings.ToUpper(string(text))
	if rest, ok := strings.CutPrefix(n, "UNICODE_"); ok {
		if isHeaderName(rest) {
			return isapi.InvalidIndex
		}
		v, err := q.lookup(rest)
		if err != isapi.OK {
			return err
		}
		return CopyOutWide(v, buf, size)
	}
	v, err := q.lookup(n)
	if err != isapi.OK {
		return err
	}
	return copyNarrow(n, v, buf, size)
}

// copyNarrow stores the value of a variable for an 8-bit caller. What the client has sent stays as it is; what the server has made of it,
// and what it has of its own, is in the code page of 8-bit functions.
func copyNarrow(name, value string, buf, size uintptr) isapi.Error {
	if ansi.Plain(value) || asReceived[name] || variables[name] == nil {
		return CopyOut(value, buf, size)
	}
	return CopyOut(ansi.Encode(value), buf, size)
}

// Lookup is the value of a variable, in whatever case its name is; the error is that of [Request.Copy]. It knows no UNICODE_ names.
func (q *Request) Lookup(name string) (string, isapi.Error) { return q.lookup(strings.ToUpper(name)) }

// isHeaderName: UNICODE_ does not work for request headers.
func isHeaderName(name string) bool {
	_, known := variables[name]
	return !known && (strings.HasPrefix(name, "HTTP_") || strings.HasPrefix(name, "HEADER_"))
}

// lookup finds a value by its upper-case name.
func (q *Request) lookup(name string) (string, isapi.Error) {
	if f := variables[name]; f != nil {
		return f(q), isapi.OK
	}
	if f := traced[name]; f != nil {
		if t := q.T.Trail; t != nil && t.Trace.Valid() {
			return f(&t.Trace), isapi.OK
		}
		return "", isapi.InvalidIndex
	}
	if h, ok := strings.CutPrefix(name, "HTTP_"); ok {
		return q.headerVariable(strings.ReplaceAll(h, "_", "-"))
	}
	if h, ok := strings.CutPrefix(name, "HEADER_"); ok {
		return q.headerVariable(h)
	}
	return "", isapi.InvalidIndex
}

// traced are the variables of this server's own for requests of which there is a W3C trace context. Without one they are not there.
var traced = map[string]func(*executor.TraceContext) string{
	"ISAPID_TRACEPARENT": func(c *executor.TraceContext) string { return c.Traceparent() },
	"ISAPID_TRACE_ID":    func(c *executor.TraceContext) string { return hex.EncodeToString(c.TraceID[:]) },
}

func (q *Request) headerVariable(name string) (string, isapi.Error) {
	if vs := q.header(textproto.CanonicalMIMEHeaderKey(name)); len(vs) > 0 {
		return strings.Join(vs, ","), isapi.OK
	}
	for k, vs := range q.R.Header { // names net/http does not canonicalize
		if strings.EqualFold(k, name) {
			return strings.Join(vs, ","), isapi.OK
		}
	}
	return "", isapi.InvalidIndex
}

// header is a request header by its canonical name, including those net/http moves elsewhere.
func (q *Request) header(name string) []string {
	switch name {
	case "Host":
		if q.R.Host != "" {
			return []string{q.R.Host}
		}
		return nil
	case "Transfer-Encoding":
		return q.R.TransferEncoding
	}
	return q.R.Header[name]
}

// headers calls f for every request header: as received, where the server kept the lines, else Host first, then by name.
func (q *Request) headers(f func(name, value string)) {
	if raw := q.Client.RawHeader(q.R); raw != nil {
		for line := range strings.Lines(string(raw)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), ": ")
			f(name, value)
		}
		return
	}
	names := make([]string, 0, len(q.R.Header)+2)
	for n := range q.R.Header {
		if n != "Host" {
			names = append(names, n)
		}
	}
	if len(q.R.TransferEncoding) > 0 {
		names = append(names, "Transfer-Encoding")
	}
	sort.Strings(names)
	for _, n := range append([]string{"Host"}, names...) {
		for _, v := range q.header(n) {
			f(n, v)
		}
	}
}

// allRaw is ALL_RAW: "Name: value" lines, each ending in CR LF.
func allRaw(q *Request) string {
	var b strings.Builder
	q.headers(func(n, v string) {
		b.WriteString(n + ": " + v + "\r\n")
	})
	return b.String()
}

// allHTTP is ALL_HTTP: "HTTP_NAME:value" lines ending in a line feed.
func allHTTP(q *Request) string {
	var b strings.Builder
	q.headers(func(n, v string) {
		b.WriteString("HTTP_" + strings.ToUpper(strings.ReplaceAll(n, "-", "_")) + ":" + v + "\n")
	})
	return b.String()
}

// app is the application, never nil.
func (q *Request) app() *executor.App {
	if q.T.App == nil {
		return &executor.App{SiteID: 1, Path: "/"}
	}
	return q.T.App
}
