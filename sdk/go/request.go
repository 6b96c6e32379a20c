package isapi

// #include "abi.h"
import "C"

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// fields is what only the control block's own members tell.
type fields struct {
	method, pathInfo, query string
	total                   uint32 // cbTotalBytes
}

func (c *ControlBlock) fields() (f fields, err error) {
	err = c.call(func(ecb *C.EXTENSION_CONTROL_BLOCK) error {
		f = fields{
			method:   C.GoString(ecb.lpszMethod),
			pathInfo: C.GoString(ecb.lpszPathInfo),
			query:    C.GoString(ecb.lpszQueryString),
			total:    uint32(ecb.cbTotalBytes),
		}
		return nil
	})
	return f, err
}

// newRequest builds the request the way a net/http server would have.
func newRequest(ctx context.Context, c *ControlBlock) (*http.Request, error) {
	f, err := c.fields()
	if err != nil {
		return nil, err
	}
	r := &http.Request{
		Method:     cmp.Or(f.method, http.MethodGet),
		Header:     parseHeader(c.variable("ALL_RAW")),
		RemoteAddr: net.JoinHostPort(c.variable("REMOTE_ADDR"), cmp.Or(c.variable("REMOTE_PORT"), "0")),
	}
	r.RequestURI, r.URL = target(cmp.Or(c.variable("HTTP_URL"), c.variable("UNENCODED_URL")), f)
	r.Proto, r.ProtoMajor, r.ProtoMinor = protocol(cmp.Or(c.variable("SERVER_PROTOCOL"), c.variable("HTTP_VERSION")))
	r.Host = cmp.Or(r.URL.Host, r.Header.Get("Host"), c.variable("SERVER_NAME"))
	r.Header.Del("Host")
	if strings.EqualFold(c.variable("HTTPS"), "on") {
		r.TLS = connectionState(c.variable("CRYPT_PROTOCOL"), r.Host)
	}
	setBody(r, c, f.total)
	return r.WithContext(ctx), nil
}

// target parses what the client asked for. A host that does not tell, or tells nonsense, still knows path and query.
func target(raw string, f fields) (string, *url.URL) {
	if u, err := url.ParseRequestURI(raw); err == nil {
		return raw, u
	}
	u := &url.URL{Path: cmp.Or(f.pathInfo, "/"), RawQuery: f.query}
	return u.RequestURI(), u
}

func protocol(version string) (proto string, major, minor int) {
	if !strings.Contains(version, ".") {
		version += ".0" // "HTTP/2"
	}
	if major, minor, ok := http.ParseHTTPVersion(version); ok {
		return version, major, minor
	}
	return "HTTP/1.0", 1, 0
}

// parseHeader reads ALL_RAW, "Name: value" on each line, and passes over lines that are not of this form.
func parseHeader(raw string) http.Header {
	h := make(http.Header)
	for line := range strings.Lines(raw) {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); ok && name != "" {
			h.Add(name, strings.TrimSpace(value))
		}
	}
	return h
}

// connectionState tells what ISAPI tells about TLS: that it was used, and its version (SChannel's numbers, server
// bits, in hexadecimal) where the host knows it.
func connectionState(version, host string) *tls.ConnectionState {
	s := &tls.ConnectionState{HandshakeComplete: true, ServerName: host}
	if name, _, err := net.SplitHostPort(host); err == nil {
		s.ServerName = name
	}
	switch version {
	case "40":
		s.Version = tls.VersionTLS10
	case "100":
		s.Version = tls.VersionTLS11
	case "400":
		s.Version = tls.VersionTLS12
	case "1000":
		s.Version = tls.VersionTLS13
	}
	return s
}

// setBody gives r its body and length. A total of [unknownLength] is a body of 4 GiB or more, whose header has the
// number, or one without a number.
func setBody(r *http.Request, c *ControlBlock, total uint32) {
	r.ContentLength = int64(total)
	if total == unknownLength {
		r.ContentLength = -1
		if n, err := strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
			r.ContentLength = n
		}
	}
	if strings.EqualFold(r.Header.Get("Transfer-Encoding"), "chunked") {
		r.TransferEncoding = []string{"chunked"}
	}
	r.Header.Del("Transfer-Encoding")
	r.Body = http.NoBody
	if r.ContentLength != 0 {
		r.Body = &body{c: c, left: r.ContentLength}
	}
}

// PathInfo wraps h so that it sees only the part of the URL path that belongs to the extension (PATH_INFO): "/list"
// of "/shop/app.so/list", "/" if there is none. Outside a host it changes nothing.
func PathInfo(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f, err := FromContext(r.Context()).fields(); err == nil {
			u := *r.URL
			u.Path, u.RawPath = cmp.Or(f.pathInfo, "/"), ""
			r = r.Clone(r.Context())
			r.URL = &u
		}
		h.ServeHTTP(w, r)
	})
}
