package extension

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/isapid/isapid/internal/executor"
)

// variables are the server variables that are no request headers (isapi-extensions.md, 4.3). AUTH_* and *_USER are empty
// until something authenticates.
var variables map[string]func(*request) string

func init() {
	empty := func(*request) string { return "" }
	variables = map[string]func(*request) string{
		"ALL_HTTP":              allHTTP,
		"ALL_RAW":               allRaw,
		"APPL_MD_PATH":          func(q *request) string { return q.metaPath() + "/ROOT" + strings.TrimSuffix(q.app().Path, "/") },
		"APPL_PHYSICAL_PATH":    func(q *request) string { return withSlash(q.app().PhysicalPath) },
		"APP_POOL_ID":           func(q *request) string { return q.app().Pool },
		"APP_POOL_CONFIG":       empty,
		"AUTH_PASSWORD":         empty,
		"AUTH_TYPE":             empty,
		"AUTH_USER":             empty,
		"LOGON_USER":            empty,
		"REMOTE_USER":           empty,
		"UNMAPPED_REMOTE_USER":  empty,
		"CACHE_URL":             cacheURL,
		"CONTENT_LENGTH":        contentLength,
		"CONTENT_TYPE":          func(q *request) string { return q.r.Header.Get("Content-Type") },
		"DOCUMENT_ROOT":         func(q *request) string { return q.app().DocumentRoot },
		"FORWARDED_URL":         empty,
		"GATEWAY_INTERFACE":     func(*request) string { return "CGI/1.1" },
		"HTTP_METHOD":           func(q *request) string { return q.r.Method },
		"HTTP_URL":              rawURL,
		"HTTP_VERSION":          protocol,
		"INSTANCE_ID":           func(q *request) string { return strconv.Itoa(q.app().SiteID) },
		"INSTANCE_META_PATH":    (*request).metaPath,
		"INSTANCE_NAME":         func(q *request) string { return q.app().SiteName },
		"LOCAL_ADDR":            func(q *request) string { h, _ := q.local(); return h },
		"MANAGED_PIPELINE_MODE": empty,
		"PATH_INFO":             func(q *request) string { return q.t.PathInfo },
		"PATH_TRANSLATED":       func(q *request) string { return q.t.PathTranslated },
		"QUERY_STRING":          func(q *request) string { return q.r.URL.RawQuery },
		"REMOTE_ADDR":           remoteAddr,
		"REMOTE_HOST":           remoteAddr, // IIS gives the address too: looking names up costs and lies
		"REMOTE_PORT":           func(q *request) string { _, p, _ := net.SplitHostPort(q.r.RemoteAddr); return p },
		"REQUEST_METHOD":        func(q *request) string { return q.r.Method },
		"REQUEST_FILENAME":      func(q *request) string { return q.t.ScriptTranslated },
		"SCRIPT_FILENAME":       func(q *request) string { return q.t.ScriptTranslated },
		"REQUEST_FLAGS":         requestFlags,
		"REQUEST_URI":           requestURI,
		"SCRIPT_NAME":           func(q *request) string { return q.t.ScriptName },
		"SCRIPT_TRANSLATED":     func(q *request) string { return q.t.ScriptTranslated },
		"SERVER_ADDR":           func(q *request) string { h, _ := q.local(); return h },
		"SERVER_NAME":           serverName,
		"SERVER_PORT":           func(q *request) string { _, p := q.local(); return p },
		"SERVER_PORT_SECURE":    func(q *request) string { return strconv.Itoa(int(boolDword(q.r.TLS != nil))) },
		"SERVER_PROTOCOL":       protocol,
		"SERVER_SOFTWARE":       func(*request) string { return executor.Software },
		"UNENCODED_URL":         rawURL,
		"URL":                   func(q *request) string { return q.t.ScriptName },
	}
	addTLSVariables(variables)
}

func (q *request) metaPath() string { return fmt.Sprintf("/LM/W3SVC/%d", q.app().SiteID) }

// withSlash: directories in variables end in a separator.
func withSlash(dir string) string {
	if dir == "" || strings.HasSuffix(dir, "/") {
		return dir
	}
	return dir + "/"
}

// rawURL is the target as received.
func rawURL(q *request) string {
	if q.r.RequestURI != "" {
		return q.r.RequestURI
	}
	return q.r.URL.RequestURI()
}

// requestURI is the path as received; clients may send a whole URL to have it proxied.
func requestURI(q *request) string {
	if u := rawURL(q); strings.HasPrefix(u, "/") {
		path, _, _ := strings.Cut(u, "?")
		return path
	}
	return q.r.URL.EscapedPath()
}

func cacheURL(q *request) string {
	scheme := "http"
	if q.r.TLS != nil {
		scheme = "https"
	}
	_, port := q.local()
	return scheme + "://" + serverName(q) + ":" + port + q.r.URL.Path
}

// protocol is "HTTP/1.1" also for HTTP/2: extensions look for 1.0 or 1.1, and HTTP/2 keeps the promises of 1.1.
func protocol(q *request) string {
	if q.r.ProtoMajor >= 2 {
		return "HTTP/1.1"
	}
	return q.r.Proto
}

// requestFlags has HTTP.sys's bit for HTTP/2 (HTTP_REQUEST_FLAG_HTTP2).
func requestFlags(q *request) string {
	if q.r.ProtoMajor >= 2 {
		return "4"
	}
	return "0"
}

// contentLength agrees with cbTotalBytes; it is empty when the length is unknown.
func contentLength(q *request) string {
	if q.body.whole {
		return strconv.Itoa(len(q.body.ahead))
	}
	if q.r.ContentLength >= 0 {
		return strconv.FormatInt(q.r.ContentLength, 10)
	}
	return ""
}

func remoteAddr(q *request) string {
	h, _, err := net.SplitHostPort(q.r.RemoteAddr)
	if err != nil {
		return q.r.RemoteAddr
	}
	return h
}

// local is the address the connection came in on.
func (q *request) local() (host, port string) {
	a, _ := q.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if a == nil {
		return "", ""
	}
	host, port, _ = net.SplitHostPort(a.String())
	return host, port
}

// serverName is the host the client asked for, without the port; the address if it named none.
func serverName(q *request) string {
	h := q.r.Host
	if host, _, err := net.SplitHostPort(h); err == nil {
		h = host
	}
	h = strings.Trim(h, "[]")
	if h == "" {
		h, _ = q.local()
	}
	return h
}
