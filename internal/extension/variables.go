package extension

import (
	"net/textproto"
	"sort"
	"strings"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/native"
)

// GetServerVariable is the callback of that name: case-insensitive; a known variable without a value is an empty text; an
// unknown name or an absent header is ERROR_INVALID_INDEX, which real extensions test for.
func (q *request) GetServerVariable(name, buf, size uintptr) isapi.Error {
	if name == 0 || size == 0 {
		return isapi.InvalidParameter
	}
	text := native.Text(name, maxText)
	if f := variables[string(text)]; f != nil { // as nearly all ask
		return copyOut(f(q), buf, size)
	}
	n := strings.ToUpper(string(text))
	if rest, ok := strings.CutPrefix(n, "UNICODE_"); ok {
		if isHeaderName(rest) {
			return isapi.InvalidIndex
		}
		v, err := q.variable(rest)
		if err != isapi.OK {
			return err
		}
		return copyOutWide(v, buf, size)
	}
	v, err := q.variable(n)
	if err != isapi.OK {
		return err
	}
	return copyOut(v, buf, size)
}

// isHeaderName: UNICODE_ does not work for request headers.
func isHeaderName(name string) bool {
	_, known := variables[name]
	return !known && (strings.HasPrefix(name, "HTTP_") || strings.HasPrefix(name, "HEADER_"))
}

// variable finds a value by its upper-case name.
func (q *request) variable(name string) (string, isapi.Error) {
	if f := variables[name]; f != nil {
		return f(q), isapi.OK
	}
	if h, ok := strings.CutPrefix(name, "HTTP_"); ok {
		return q.headerVariable(strings.ReplaceAll(h, "_", "-"))
	}
	if h, ok := strings.CutPrefix(name, "HEADER_"); ok {
		return q.headerVariable(h)
	}
	return "", isapi.InvalidIndex
}

func (q *request) headerVariable(name string) (string, isapi.Error) {
	if vs := q.header(textproto.CanonicalMIMEHeaderKey(name)); len(vs) > 0 {
		return strings.Join(vs, ","), isapi.OK
	}
	for k, vs := range q.r.Header { // names net/http does not canonicalize
		if strings.EqualFold(k, name) {
			return strings.Join(vs, ","), isapi.OK
		}
	}
	return "", isapi.InvalidIndex
}

// header is a request header by its canonical name, including those net/http moves elsewhere.
func (q *request) header(name string) []string {
	switch name {
	case "Host":
		if q.r.Host != "" {
			return []string{q.r.Host}
		}
		return nil
	case "Transfer-Encoding":
		return q.r.TransferEncoding
	}
	return q.r.Header[name]
}

// headers calls f for every request header: as received, where the server kept the lines, else Host first, then by name.
func (q *request) headers(f func(name, value string)) {
	if raw := q.conn.RawHeader(q.r); raw != nil {
		for line := range strings.Lines(string(raw)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), ": ")
			f(name, value)
		}
		return
	}
	names := make([]string, 0, len(q.r.Header)+2)
	for n := range q.r.Header {
		if n != "Host" {
			names = append(names, n)
		}
	}
	if len(q.r.TransferEncoding) > 0 {
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
func allRaw(q *request) string {
	var b strings.Builder
	q.headers(func(n, v string) {
		b.WriteString(n + ": " + v + "\r\n")
	})
	return b.String()
}

// allHTTP is ALL_HTTP: "HTTP_NAME:value" lines ending in a line feed.
func allHTTP(q *request) string {
	var b strings.Builder
	q.headers(func(n, v string) {
		b.WriteString("HTTP_" + strings.ToUpper(strings.ReplaceAll(n, "-", "_")) + ":" + v + "\n")
	})
	return b.String()
}

// app is the application, never nil.
func (q *request) app() *executor.App {
	if q.t.App == nil {
		return &executor.App{SiteID: 1, Path: "/"}
	}
	return q.t.App
}
