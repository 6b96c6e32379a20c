//go:build cgo

package isapi

import (
	"crypto/tls"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestTarget(t *testing.T) {
	f := fields{pathInfo: "/a b", query: "q=1"}
	tests := []struct{ raw, uri, path, query, host string }{
		{"/x%20y/z?a=b?c", "/x%20y/z?a=b?c", "/x y/z", "a=b?c", ""},
		{"http://shop.example/x", "http://shop.example/x", "/x", "", "shop.example"},
		{"//evil/x", "//evil/x", "//evil/x", "", ""},
		{"*", "*", "*", "", ""},
		{"", "/a%20b?q=1", "/a b", "q=1", ""},
		{"/%zz", "/a%20b?q=1", "/a b", "q=1", ""},
		{"no slash", "/a%20b?q=1", "/a b", "q=1", ""},
	}
	for _, tt := range tests {
		uri, u := target(tt.raw, f)
		if uri != tt.uri || u.Path != tt.path || u.RawQuery != tt.query || u.Host != tt.host {
			t.Errorf("target(%q) = %q, path %q, query %q, host %q; want %+v", tt.raw, uri, u.Path, u.RawQuery, u.Host, tt)
		}
	}
	if _, u := target("", fields{}); u.Path != "/" {
		t.Errorf("target of nothing has path %q, want %q", u.Path, "/")
	}
}

func TestProtocol(t *testing.T) {
	tests := []struct {
		in, proto    string
		major, minor int
	}{
		{"HTTP/1.1", "HTTP/1.1", 1, 1},
		{"HTTP/2.0", "HTTP/2.0", 2, 0},
		{"HTTP/2", "HTTP/2.0", 2, 0},
		{"", "HTTP/1.0", 1, 0},
		{"INCLUDED", "HTTP/1.0", 1, 0},
	}
	for _, tt := range tests {
		if p, major, minor := protocol(tt.in); p != tt.proto || major != tt.major || minor != tt.minor {
			t.Errorf("protocol(%q) = %q %d.%d, want %+v", tt.in, p, major, minor, tt)
		}
	}
}

func TestParseHeader(t *testing.T) {
	raw := "Host: h:80\r\naccept:  text/html\r\nAccept: */*\nnonsense\r\n: no name\r\nX-Empty:\r\nX : blank"
	want := http.Header{"Host": {"h:80"}, "Accept": {"text/html", "*/*"}, "X-Empty": {""}, "X": {"blank"}}
	if got := parseHeader(raw); !reflect.DeepEqual(got, want) {
		t.Errorf("parseHeader(%q) = %v, want %v", raw, got, want)
	}
}

func TestConnectionState(t *testing.T) {
	for version, want := range map[string]uint16{"400": tls.VersionTLS12, "1000": tls.VersionTLS13, "": 0, "junk": 0} {
		s := connectionState(version, "shop.example:8443")
		if s.Version != want || s.ServerName != "shop.example" || !s.HandshakeComplete {
			t.Errorf("connectionState(%q) = version %#x, name %q, want %#x", version, s.Version, s.ServerName, want)
		}
	}
}

func TestHeaderBlock(t *testing.T) {
	h := http.Header{
		"X-Split":           {"a\r\nSet-Cookie: b"},
		"X-Nul":             {"a\x00b"},
		"Bad Name":          {"x"},
		"Transfer-Encoding": {"chunked"},
		"Trailer":           {"X-T"},
	}
	want := "X-Nul: a b\r\nX-Split: a  Set-Cookie: b\r\n\r\n\x00"
	if got := string(headerBlock(h)); got != want {
		t.Errorf("headerBlock = %q, want %q", got, want)
	}
}

func TestErrnoNamesItsNumber(t *testing.T) {
	for _, e := range []Errno{ErrInvalidParameter, ErrInsufficientBuffer, ErrNoData, ErrOperationAborted,
		ErrInvalidIndex, ErrConnReset, 4711} {
		if text := e.Error(); !strings.Contains(text, strconv.Itoa(int(e))) || !strings.HasPrefix(text, "isapi: ") {
			t.Errorf("Errno %d says %q, want its number in it", uint32(e), text)
		}
	}
}

// A handler that also runs outside a host gets errors, not crashes.
func TestOutsideAHost(t *testing.T) {
	c := FromContext(t.Context())
	if _, err := c.ServerVariable("URL"); err == nil {
		t.Error("ServerVariable outside a host: no error")
	}
	if _, err := c.MapPath("/"); err == nil {
		t.Error("MapPath outside a host: no error")
	}
	if err := c.AppendLog("x"); err == nil {
		t.Error("AppendLog outside a host: no error")
	}
	if err := c.Count("x", 1); err == nil {
		t.Error("Count outside a host: no error")
	}
	seen := ""
	h := PathInfo(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.URL.Path }))
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/unchanged", nil)
	h.ServeHTTP(nil, r)
	if seen != "/unchanged" {
		t.Errorf("PathInfo outside a host: path %q, want %q", seen, "/unchanged")
	}
}
