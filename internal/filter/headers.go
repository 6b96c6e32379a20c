package filter

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/isapid/isapid/internal/isapi"
)

// Headers as GetHeader, SetHeader and AddHeader see them. The name of a field ends with a colon; without one it is a part of the
// first line: "method", "url" and "version" of a request, "status" of a response. Case does not count in either.

// Limits of what filters may set, in bytes.
const (
	maxHeaderName  = 1 << 10
	maxHeaderValue = 64 << 10
	maxGrowth      = 1 << 20 // of all that they set and add to one request
)

// cutName takes the colon off a name of a field; false if there is none.
func cutName(name string) (string, bool) {
	field, ok := strings.CutSuffix(name, ":")
	return strings.TrimRight(field, " \t"), ok
}

// goodValue tells whether a value cannot end its line.
func goodValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// values are all of a name, in whatever case it is in the header.
func values(header http.Header, name string) []string {
	if vs := header[http.CanonicalHeaderKey(name)]; len(vs) > 0 {
		return vs
	}
	for n, vs := range header {
		if len(vs) > 0 && strings.EqualFold(n, name) {
			return vs
		}
	}
	return nil
}

// set replaces all values of a name, in whatever case it is in the header; "" takes them away.
func set(header http.Header, name, value string) {
	for n := range header {
		if strings.EqualFold(n, name) {
			delete(header, n)
		}
	}
	if value != "" {
		header[http.CanonicalHeaderKey(name)] = []string{value}
	}
}

// requestHeader is GetHeader of a request. The values of several lines of one name are one list, as in server variables. A name
// without a colon that is no part of the request line is absent, as it was until IIS 5.1.
func requestHeader(r *http.Request, name string) (string, isapi.Error) {
	field, ok := cutName(name)
	switch {
	case !ok:
		switch strings.ToLower(name) {
		case "method":
			return r.Method, isapi.OK
		case "url":
			if r.RequestURI != "" {
				return r.RequestURI, isapi.OK
			}
			return r.URL.RequestURI(), isapi.OK
		case "version":
			return protocol(r), isapi.OK
		}
		return "", isapi.InvalidIndex
	case strings.EqualFold(field, "Host"):
		if r.Host == "" {
			return "", isapi.InvalidIndex
		}
		return r.Host, isapi.OK
	case strings.EqualFold(field, "Transfer-Encoding"):
		return joined(r.TransferEncoding)
	}
	return joined(values(r.Header, field))
}

func joined(vs []string) (string, isapi.Error) {
	if len(vs) == 0 {
		return "", isapi.InvalidIndex
	}
	return strings.Join(vs, ","), isapi.OK
}

// protocol is "HTTP/1.1" also for HTTP/2, as in server variables.
func protocol(r *http.Request) string {
	if r.ProtoMajor >= 2 {
		return "HTTP/1.1"
	}
	return r.Proto
}

// change is SetHeader and AddHeader of a request: r is where it is changed. moved: the request may lead somewhere else, or somebody
// else may be asking. What says where the body ends cannot be changed, as that would not change the body: whoever reads it behind
// us would take a part of it for another request.
func change(r *http.Request, name, value string, add bool) (moved bool, err isapi.Error) {
	if !goodValue(value) {
		return false, isapi.InvalidParameter
	}
	field, ok := cutName(name)
	if !ok {
		return changeLine(r, strings.ToLower(name), value, add)
	}
	canonical := http.CanonicalHeaderKey(field)
	switch {
	case !isapi.IsToken(field):
		return false, isapi.InvalidParameter
	case canonical == "Content-Length" || canonical == "Transfer-Encoding":
		if _, err := requestHeader(r, name); value == "" && err != isapi.OK && !add {
			return false, isapi.OK // there was none
		}
		return false, isapi.InvalidParameter
	case canonical == "Host":
		if add && r.Host != "" {
			return false, isapi.InvalidParameter // a request has one
		}
		r.Host = value
		return true, isapi.OK
	case add:
		r.Header[canonical] = append(r.Header[canonical], value)
	default:
		set(r.Header, field, value)
	}
	return canonical == "Authorization", isapi.OK
}

// changeLine changes a part of the request line. None of them can be taken away or doubled.
func changeLine(r *http.Request, name, value string, add bool) (moved bool, err isapi.Error) {
	if add || value == "" {
		return false, isapi.InvalidParameter
	}
	switch name {
	case "method":
		if !isapi.IsToken(value) {
			return false, isapi.InvalidParameter
		}
		r.Method = value
		return true, isapi.OK
	case "url":
		return true, changeURL(r, value)
	case "version":
		major, minor, ok := http.ParseHTTPVersion(value)
		switch {
		case r.ProtoMajor >= 2 && value == protocol(r):
		case ok && r.ProtoMajor == 1 && major == 1 && minor <= 1:
			r.Proto, r.ProtoMajor, r.ProtoMinor = value, major, minor
		default:
			return false, isapi.InvalidParameter
		}
		return false, isapi.OK
	}
	return false, isapi.InvalidParameter
}

// changeURL gives the request another target, with its query. It is made plain, as IIS does: no back slashes or dot segments, and what
// no target has is escaped.
func changeURL(r *http.Request, target string) isapi.Error {
	target = plainPath(target)
	if !strings.HasPrefix(target, "/") && !strings.Contains(target, "://") {
		return isapi.InvalidParameter
	}
	u, err := url.ParseRequestURI(target)
	if err != nil || u.Scheme != "" && u.Host == "" {
		return isapi.InvalidParameter
	}
	u.RawQuery = escapeOdd(u.RawQuery)
	if strings.ContainsFunc(target, odd) {
		target = u.String()
	}
	r.URL, r.RequestURI = u, target
	return isapi.OK
}

// plainPath removes the dot segments of a path, and turns its back slashes. One that leads above the root stays as it is, for the server
// to refuse.
func plainPath(target string) string {
	p, query, hasQuery := strings.Cut(target, "?")
	if !strings.HasPrefix(p, "/") || !strings.Contains(p, `\`) && !strings.Contains(p, "/.") {
		return target
	}
	var plain []string
	segments := strings.Split(strings.ReplaceAll(p, `\`, "/"), "/")[1:]
	for i, s := range segments {
		switch {
		case s == ".." && len(plain) == 0:
			return target
		case s == "..":
			plain = plain[:len(plain)-1]
		case s != ".":
			plain = append(plain, s)
			continue
		}
		if i == len(segments)-1 {
			plain = append(plain, "") // it names a folder
		}
	}
	p = "/" + strings.Join(plain, "/")
	if hasQuery {
		p += "?" + query
	}
	return p
}

func odd(c rune) bool { return c <= ' ' || c >= 0x7f }

func escapeOdd(s string) string {
	if !strings.ContainsFunc(s, odd) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; odd(rune(c)) {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// responseHeader is GetHeader of a response.
func (h *head) responseHeader(name string) (string, isapi.Error) {
	field, ok := cutName(name)
	if !ok {
		if strings.EqualFold(name, "status") {
			return h.line(), isapi.OK
		}
		return "", isapi.InvalidIndex
	}
	return joined(values(h.q.w.Header(), field))
}

// change is SetHeader and AddHeader of a response. Its length may be changed by whoever changes its body; if the body is another
// in the end, the server breaks the response off. How it is framed is the server's.
func (h *head) change(name, value string, add bool) isapi.Error {
	if !goodValue(value) {
		return isapi.InvalidParameter
	}
	field, ok := cutName(name)
	if !ok {
		if !strings.EqualFold(name, "status") || add {
			return isapi.InvalidParameter
		}
		return h.changeStatus(value)
	}
	header := h.q.w.Header()
	canonical := http.CanonicalHeaderKey(field)
	switch {
	case !isapi.IsToken(field):
		return isapi.InvalidParameter
	case canonical == "Content-Length":
		if _, err := strconv.ParseUint(value, 10, 63); value != "" && err != nil {
			return isapi.InvalidParameter
		}
		set(header, field, value)
	case framing(canonical):
		if value == "" && !add && len(values(header, field)) == 0 {
			return isapi.OK // there was none
		}
		return isapi.InvalidParameter
	case canonical == "Content-Type" && value == "" && !add:
		set(header, field, "")
		header[canonical] = nil // none is none: the server must not guess
	case add:
		header[canonical] = append(header[canonical], value)
	default:
		set(header, field, value)
	}
	return isapi.OK
}

// changeStatus takes a status line, with or without its version, or a number.
func (h *head) changeStatus(line string) isapi.Error {
	status, reason, err := isapi.ParseStatus(strings.TrimSpace(line))
	if err != nil || status < 200 {
		return isapi.InvalidParameter
	}
	if reason == "" {
		reason = http.StatusText(status)
	}
	h.code, h.text, h.changed = status, reason, true
	return isapi.OK
}

// fields are the lines of a header text: "Name: value" each, up to its end or a blank line.
func fields(text string) ([]isapi.Field, error) {
	h, err := isapi.ParseHead("200", text)
	return h.Fields, err
}
