package variables

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/isapid/isapid/internal/executor"
)

// variables are the server variables that are no request headers. AUTH_* and *_USER are empty while nobody in
// particular asks.
var variables map[string]func(*Request) string

func init() {
	empty := func(*Request) string { return "" }
	variables = map[string]func(*Request) string{
		"ALL_HTTP":              allHTTP,
		"ALL_RAW":               allRaw,
		"APPL_MD_PATH":          func(q *Request) string { return q.metaPath() + "/ROOT" + strings.TrimSuffix(q.app().Path, "/") },
		"APPL_PHYSICAL_PATH":    func(q *Request) string { return withSlash(q.app().PhysicalPath) },
		"APP_POOL_ID":           func(q *Request) string { return q.app().Pool },
		"APP_POOL_CONFIG":       empty,
		"AUTH_PASSWORD":         func(q *Request) string { return q.user().Password },
		"AUTH_TYPE":             func(q *Request) string { return q.user().Type },
		"AUTH_USER":             func(q *Request) string { return q.user().Name },
		"LOGON_USER":            func(q *Request) string { return q.user().Name },
		"REMOTE_USER":           func(q *Request) string { return q.user().Name },
		"UNMAPPED_REMOTE_USER":  unmappedUser,
		"CACHE_URL":             cacheURL,
		"CONTENT_LENGTH":        contentLength,
		"CONTENT_TYPE":          func(q *Request) string { return q.R.Header.Get("Content-Type") },
		"DOCUMENT_ROOT":         func(q *Request) string { return q.app().DocumentRoot },
		"FORWARDED_URL":         empty,
		"GATEWAY_INTERFACE":     func(*Request) string { return "CGI/1.1" },
		"HTTP_METHOD":           func(q *Request) string { return q.R.Method },
		"HTTP_URL":              rawURL,
		"HTTP_VERSION":          protocol,
		"INSTANCE_ID":           func(q *Request) string { return strconv.Itoa(q.app().SiteID) },
		"INSTANCE_META_PATH":    (*Request).metaPath,
		"INSTANCE_NAME":         func(q *Request) string { return q.app().SiteName },
		"LOCAL_ADDR":            func(q *Request) string { h, _ := q.local(); return h },
		"MANAGED_PIPELINE_MODE": empty,
		"PATH_INFO":             func(q *Request) string { return q.T.PathInfo },
		"PATH_TRANSLATED":       func(q *Request) string { return q.T.PathTranslated },
		"QUERY_STRING":          func(q *Request) string { return q.R.URL.RawQuery },
		"REMOTE_ADDR":           remoteAddr,
		"REMOTE_HOST":           remoteAddr, // IIS gives the address too: looking names up costs and lies
		"REMOTE_PORT":           func(q *Request) string { _, p, _ := net.SplitHostPort(q.R.RemoteAddr); return p },
		"REQUEST_METHOD":        func(q *Request) string { return q.R.Method },
		"REQUEST_FILENAME":      func(q *Request) string { return q.T.ScriptTranslated },
		"SCRIPT_FILENAME":       func(q *Request) string { return q.T.ScriptTranslated },
		"REQUEST_FLAGS":         requestFlags,
		"REQUEST_URI":           requestURI,
		"SCRIPT_NAME":           func(q *Request) string { return q.T.ScriptName },
		"SCRIPT_TRANSLATED":     func(q *Request) string { return unlimited(q.T.ScriptTranslated) },
		"SERVER_ADDR":           func(q *Request) string { h, _ := q.local(); return h },
		"SERVER_NAME":           serverName,
		"SERVER_PORT":           func(q *Request) string { _, p := q.local(); return p },
		"SERVER_PORT_SECURE":    func(q *Request) string { return secure(q, "1", "0") },
		"SERVER_PROTOCOL":       protocol,
		"SERVER_SOFTWARE":       func(*Request) string { return executor.Software },
		"UNENCODED_URL":         rawURL,
		"URL":                   func(q *Request) string { return q.T.ScriptName },
	}
	addTLSVariables(variables)
}

// asReceived are the variables whose value is bytes of the request.
var asReceived = map[string]bool{
	"ALL_HTTP": true, "ALL_RAW": true, "AUTH_PASSWORD": true, "AUTH_USER": true, "CONTENT_TYPE": true, "HTTP_METHOD": true, "HTTP_URL": true,
	"LOGON_USER": true, "QUERY_STRING": true, "REMOTE_USER": true, "REQUEST_METHOD": true, "REQUEST_URI": true, "UNENCODED_URL": true,
	"UNMAPPED_REMOTE_USER": true,
}

// secure is yes for a request that came by TLS, else no.
func secure(q *Request, yes, no string) string {
	if q.R.TLS != nil {
		return yes
	}
	return no
}

// user is who asks, never nil.
func (q *Request) user() *executor.User {
	if q.T.User == nil {
		return &executor.User{}
	}
	return q.T.User
}

// unmappedUser is the name that the client gave.
func unmappedUser(q *Request) string { return cmp.Or(q.user().Unmapped, q.user().Name) }

func (q *Request) metaPath() string { return fmt.Sprintf("/LM/W3SVC/%d", q.app().SiteID) }

// withSlash: directories in variables end in a separator.
func withSlash(dir string) string {
	if dir == "" || os.IsPathSeparator(dir[len(dir)-1]) {
		return dir
	}
	return dir + string(filepath.Separator)
}

// rawURL is the target as received.
func rawURL(q *Request) string {
	if q.R.RequestURI != "" {
		return q.R.RequestURI
	}
	return q.R.URL.RequestURI()
}

// requestURI is the path as received; clients may send a whole URL to have it proxied.
func requestURI(q *Request) string {
	if u := rawURL(q); strings.HasPrefix(u, "/") {
		path, _, _ := strings.Cut(u, "?")
		return path
	}
	return q.R.URL.EscapedPath()
}

func cacheURL(q *Request) string {
	_, port := q.local()
	return secure(q, "https", "http") + "://" + serverName(q) + ":" + port + q.R.URL.Path
}

// protocol is "HTTP/1.1" also for HTTP/2: extensions look for 1.0 or 1.1, and HTTP/2 keeps the promises of 1.1.
func protocol(q *Request) string {
	if q.R.ProtoMajor >= 2 {
		return "HTTP/1.1"
	}
	return q.R.Proto
}

// requestFlags has HTTP.sys's bit for HTTP/2 (HTTP_REQUEST_FLAG_HTTP2).
func requestFlags(q *Request) string {
	if q.R.ProtoMajor >= 2 {
		return "4"
	}
	return "0"
}

// contentLength is empty when the length is unknown.
func contentLength(q *Request) string {
	if q.Length < 0 {
		return ""
	}
	return strconv.FormatInt(q.Length, 10)
}

func remoteAddr(q *Request) string {
	h, _, err := net.SplitHostPort(q.R.RemoteAddr)
	if err != nil {
		return q.R.RemoteAddr
	}
	return h
}

// local is the address the connection came in on.
func (q *Request) local() (host, port string) {
	a, _ := q.R.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if a == nil {
		return "", ""
	}
	host, port, _ = net.SplitHostPort(a.String())
	return host, port
}

// serverName is the host the client asked for, without the port; the address if it named none.
func serverName(q *Request) string {
	h := q.R.Host
	if host, _, err := net.SplitHostPort(h); err == nil {
		h = host
	}
	h = strings.Trim(h, "[]")
	if h == "" {
		h, _ = q.local()
	}
	return h
}
