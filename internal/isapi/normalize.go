package isapi

import (
	"net/url"
	"path"
	"strings"
)

// Normalize is what HSE_REQ_NORMALIZE_URL and SF_REQ_NORMALIZE_URL make of a URL: decoded, back slashes turned, dot segments removed;
// host and query stay. The result is never longer than what was there. False: it cannot be decoded.
func Normalize(raw string) (string, bool) {
	p, query, hasQuery := strings.Cut(raw, "?")
	host := ""
	if i := strings.Index(p, "://"); i > 0 && !strings.Contains(p[:i], "/") {
		n := i + 3 + strings.IndexByte(p[i+3:]+"/", '/')
		host, p = p[:n], p[n:]
	}
	out, err := url.PathUnescape(p)
	if err != nil || strings.ContainsRune(out, 0) {
		return "", false
	}
	out = strings.ReplaceAll(out, `\`, "/")
	clean := path.Clean("/" + out)
	if strings.HasSuffix(out, "/") && clean != "/" {
		clean += "/"
	}
	if !strings.HasPrefix(out, "/") {
		clean = clean[1:]
	}
	clean = host + clean
	if hasQuery {
		clean += "?" + query
	}
	return clean, len(clean) <= len(raw)
}
