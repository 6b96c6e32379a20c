package site

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/isapid/isapid/internal/config"
)

const (
	maxSegment  = 260 // UrlSegmentMaxLength of http.sys, and MAX_PATH
	maxSegments = 255 // UrlSegmentMaxCount of http.sys
)

// urlPath is a request path that passed every check: decoded, without empty segments.
type urlPath struct {
	text  string // "/a/b", never with a slash at the end; "" for "/"
	slash bool   // the path ended with a slash
}

// full is the path as a client means it: "/a/b", "/a/b/" or "/".
func (p urlPath) full() string {
	if p.slash {
		return p.text + "/"
	}
	return p.text
}

// refusal is the status and IIS sub-status of a path that is not looked at any further.
type refusal struct{ status, substatus int }

var (
	badRequest    = refusal{http.StatusBadRequest, 0}
	notFound      = refusal{http.StatusNotFound, 0}
	hiddenSegment = refusal{http.StatusNotFound, 8}
	hiddenFile    = refusal{http.StatusNotFound, 9}
	doubleEscaped = refusal{http.StatusNotFound, 11}
	urlTooLong    = refusal{http.StatusNotFound, 14}
	queryTooLong  = refusal{http.StatusNotFound, 15}
	wrongMethod   = refusal{http.StatusMethodNotAllowed, 0}
)

// requestPath checks the target of r.
func requestPath(r *http.Request, l *config.Limits) (urlPath, *refusal) {
	raw := r.URL.EscapedPath()
	switch {
	case r.Method == http.MethodConnect:
		return urlPath{}, &wrongMethod
	case raw == "" && r.URL.Host != "" && r.URL.Opaque == "":
		raw = "/" // http://host
	case len(raw) > l.URL:
		return urlPath{}, &urlTooLong
	case len(r.URL.RawQuery) > l.Query:
		return urlPath{}, &queryTooLong
	}
	return parsePath(raw)
}

// parsePath decodes and checks a path as it was sent. What these sites were written for ran on Windows, so what is special
// there is refused on every system: nobody has to wonder what a device name or a stream means on the next one.
func parsePath(raw string) (urlPath, *refusal) {
	path, bad := decode(raw)
	if bad != nil {
		return urlPath{}, bad
	}
	return checkedPath(path)
}

// checkedPath checks a decoded path.
func checkedPath(path string) (urlPath, *refusal) {
	p, bad := splitPath(path)
	if bad != nil {
		return urlPath{}, bad
	}
	for segment := range segments(p.text) {
		if bad := hidden(segment, p.text); bad != nil {
			return urlPath{}, bad
		}
	}
	return p, nil
}

// decode undoes percent encoding once. Encoded separators are refused, not decoded: whether they separate is what
// attackers and servers disagree about. What would change if it were decoded once more is refused too (404.11).
func decode(raw string) (string, *refusal) {
	if !strings.HasPrefix(raw, "/") {
		return "", &badRequest
	}
	if isPlain(raw) {
		return raw, nil
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			v, ok := unhex(raw[i+1:])
			if !ok || v == '/' {
				return "", &badRequest
			}
			c = v
			i += 2
		}
		if c == '\\' {
			return "", &badRequest
		}
		out = append(out, c)
	}
	path := string(out)
	switch {
	case !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl):
		return "", &badRequest
	case escaped(path):
		return "", &doubleEscaped
	}
	return path, nil
}

// isPlain says whether a path is made of visible ASCII alone, with nothing to decode and nothing to refuse. Most are.
func isPlain(raw string) bool {
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || c == '%' || c == '\\' {
			return false
		}
	}
	return true
}

// unhex reads the two digits at the start of s.
func unhex(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	hi, lo := hexDigit(s[0]), hexDigit(s[1])
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c - 'a' + 10)
	case 'A' <= c && c <= 'F':
		return int(c - 'A' + 10)
	}
	return -1
}

// escaped says whether s still holds %XX, or the %uXXXX that IIS decodes too.
func escaped(s string) bool {
	for i := strings.IndexByte(s, '%'); i >= 0 && i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		rest := s[i+1:]
		if _, ok := unhex(rest); ok {
			return true
		}
		if len(rest) >= 5 && (rest[0] == 'u' || rest[0] == 'U') {
			_, a := unhex(rest[1:])
			_, b := unhex(rest[3:])
			if a && b {
				return true
			}
		}
	}
	return false
}

// splitPath takes a decoded path apart, drops empty segments and checks that each segment is a plain name.
func splitPath(path string) (urlPath, *refusal) {
	p := urlPath{path, strings.HasSuffix(path, "/")}
	for strings.Contains(p.text, "//") {
		p.text = strings.ReplaceAll(p.text, "//", "/")
	}
	p.text = strings.TrimSuffix(p.text, "/")
	count := 0
	for segment := range segments(p.text) {
		if count++; count > maxSegments {
			return urlPath{}, &badRequest
		}
		if bad := plainName(segment); bad != nil {
			return urlPath{}, bad
		}
	}
	return p, nil
}
