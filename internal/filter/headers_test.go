package filter

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/isapi"
)

// TestChange is what filters can make of a request.
func TestChange(t *testing.T) {
	const smuggle = "Content-Length:"
	for _, c := range []struct {
		name, value string
		add         bool
		err         isapi.Error
		moved       bool
		get, want   string // "?": absent
	}{
		{name: "X:", value: "1", get: "x:", want: "1"},
		{name: "x :", value: "1", get: "X:", want: "1"},
		{name: "Twice:", value: "3", add: true, get: "twice:", want: "1,2,3"},
		{name: "TWICE:", value: "3", get: "twice:", want: "3"},
		{name: "twice:", value: "", get: "Twice:", want: "?"},
		{name: "X:", value: "", get: "X:", want: "?"},
		{name: "X:", value: "a\r\nb", err: isapi.InvalidParameter, get: "X:", want: "?"},
		{name: "X:", value: "a\x00b", err: isapi.InvalidParameter, get: "X:", want: "?"},
		{name: "X:", value: "\xe4\tö", get: "X:", want: "\xe4\tö"},
		{name: ":", value: "1", err: isapi.InvalidParameter, get: ":", want: "?"},
		{name: "", value: "1", err: isapi.InvalidParameter, get: "", want: "?"},
		{name: "X Y:", value: "1", err: isapi.InvalidParameter, get: "X Y:", want: "?"},
		{name: "X", value: "1", err: isapi.InvalidParameter, get: "X", want: "?"},
		{name: smuggle, value: "0", err: isapi.InvalidParameter, get: smuggle, want: "3"},
		{name: smuggle, value: "0", add: true, err: isapi.InvalidParameter, get: smuggle, want: "3"},
		{name: smuggle, value: "", err: isapi.InvalidParameter, get: smuggle, want: "3"},
		{name: "transfer-encoding:", value: "chunked", err: isapi.InvalidParameter, get: "Transfer-Encoding:", want: "?"},
		{name: "transfer-encoding:", value: "", get: "Transfer-Encoding:", want: "?"},
		{name: "HOST:", value: "other", moved: true, get: "host:", want: "other"},
		{name: "Host:", value: "other", add: true, err: isapi.InvalidParameter, get: "host:", want: "example.com"},
		{name: "Host:", value: "", moved: true, get: "host:", want: "?"},
		{name: "Authorization:", value: "Basic eDp5", moved: true, get: "authorization:", want: "Basic eDp5"},
		{name: "method", value: "PUT", moved: true, get: "METHOD", want: "PUT"},
		{name: "method", value: "", err: isapi.InvalidParameter, get: "method", want: "POST"},
		{name: "method", value: "PUT", add: true, err: isapi.InvalidParameter, get: "method", want: "POST"},
		{name: "Method", value: "P T", err: isapi.InvalidParameter, get: "method", want: "POST"},
		{name: "method:", value: "PUT", get: "method", want: "POST"},
		{name: "url", value: "/x?y", moved: true, get: "URL", want: "/x?y"},
		{name: "url", value: "/%2e%2E/x?y=%zz", moved: true, get: "url", want: "/%2e%2E/x?y=%zz"},
		{name: "url", value: "/a b?c d", moved: true, get: "url", want: "/a%20b?c%20d"},
		{name: "url", value: "/\xe4?\xe4", moved: true, get: "url", want: "/%E4?%E4"},
		{name: "url", value: "http://h/x?y", moved: true, get: "url", want: "http://h/x?y"},
		{name: "url", value: "//h/x", moved: true, get: "url", want: "//h/x"},
		{name: "url", value: "x", err: isapi.InvalidParameter, get: "url", want: "/p?q"},
		{name: "url", value: "http:///x", err: isapi.InvalidParameter, get: "url", want: "/p?q"},
		{name: "url", value: "/%zz", err: isapi.InvalidParameter, get: "url", want: "/p?q"},
		{name: "url", value: "/x\r\n", err: isapi.InvalidParameter, get: "url", want: "/p?q"},
		{name: "url", value: "*", err: isapi.InvalidParameter, get: "url", want: "/p?q"},
		{name: "version", value: "HTTP/1.0", get: "version", want: "HTTP/1.0"},
		{name: "version", value: "HTTP/2.0", err: isapi.InvalidParameter, get: "version", want: "HTTP/1.1"},
		{name: "version", value: "1.0", err: isapi.InvalidParameter, get: "version", want: "HTTP/1.1"},
		{name: "status", value: "200", err: isapi.InvalidParameter, get: "status", want: "?"},
	} {
		r := httptest.NewRequest("POST", "/p?q", strings.NewReader("abc"))
		r.Header["Twice"] = []string{"1", "2"}
		r.Header.Set("Content-Length", "3")
		moved, err := change(r, c.name, c.value, c.add)
		got, e := requestHeader(r, c.get)
		if e != isapi.OK {
			got = "?"
		}
		if err != c.err || moved && err == isapi.OK != c.moved || got != c.want {
			t.Errorf("%q to %q: %v moved %v, then %q is %q; want %v %v %q", c.name, c.value, err, moved, c.get, got, c.err, c.moved, c.want)
		}
		if r.ContentLength != 3 || len(r.TransferEncoding) > 0 {
			t.Errorf("%q to %q: the length is %d %q", c.name, c.value, r.ContentLength, r.TransferEncoding)
		}
	}
}

// TestVersionOfHTTP2: filters see an HTTP/2 request as one of HTTP/1.1, and cannot make it anything else.
func TestVersionOfHTTP2(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	if v, _ := requestHeader(r, "version"); v != "HTTP/1.1" {
		t.Errorf("version is %q", v)
	}
	for v, want := range map[string]isapi.Error{"HTTP/1.1": isapi.OK, "HTTP/1.0": isapi.InvalidParameter} {
		if _, err := change(r, "version", v, false); err != want || r.ProtoMajor != 2 {
			t.Errorf("to %s: %v, %s", v, err, r.Proto)
		}
	}
}

func TestOddSpelling(t *testing.T) {
	h := http.Header{"x-ODD": {"1"}, "X-Odd": {"2"}, "Content-Type": nil}
	if vs := values(h, "X-odd"); len(vs) != 1 || vs[0] != "2" {
		t.Errorf("values are %q", vs)
	}
	set(h, "X-odd", "3")
	if len(h) != 2 || h.Get("X-Odd") != "3" {
		t.Errorf("header is %v", h)
	}
	if vs := values(h, "content-type"); vs != nil {
		t.Errorf("no Content-Type is %q", vs)
	}
}

// FuzzChange: whatever a filter sets, the request stays one whose parts can be sent on, and its body what it was.
func FuzzChange(f *testing.F) {
	for _, s := range [][2]string{{"X:", "1"}, {"url", "/a b?c"}, {"method", "PUT"}, {"Host:", "h"}, {"url", "http://h/\x80"}, {"version", "HTTP/1.0"}} {
		f.Add(s[0], s[1], false)
		f.Add(s[0], s[1], true)
	}
	f.Fuzz(func(t *testing.T, name, value string, add bool) {
		r := httptest.NewRequest("POST", "/p?q", strings.NewReader("abc"))
		if _, err := change(r, name, value, add); err == isapi.OK && value != "" {
			if v, err := requestHeader(r, name); err != isapi.OK && !strings.EqualFold(strings.TrimRight(name, " \t:"), "Host") {
				t.Errorf("%q was set to %q and is %q, %v", name, value, v, err)
			}
		}
		if !isapi.IsToken(r.Method) || !goodValue(r.Host) || r.ContentLength != 3 || len(r.TransferEncoding) > 0 {
			t.Errorf("request is %+v", r)
		}
		if strings.ContainsFunc(r.RequestURI, odd) {
			t.Errorf("target is %q", r.RequestURI)
		}
		if _, err := url.ParseRequestURI(r.RequestURI); err != nil {
			t.Error(err)
		}
		for n, vs := range r.Header {
			for _, v := range vs {
				if !isapi.IsToken(n) || !goodValue(v) {
					t.Errorf("header has %q: %q", n, v)
				}
			}
		}
	})
}

// FuzzFields: header text and status lines of filters cannot break a line of the response.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"A: b\r\n\r\n", "A: b\nC: d", "Status: 200\r\nX: y\r\n", "A: b\r\n c\r\n", "404 x", "HTTP/1.1 200 OK", ":", "a\x00: b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fs, err := fields(text)
		if err != nil {
			return
		}
		h := http.Header{}
		addFields(h, fs)
		for n, vs := range h {
			for _, v := range vs {
				if !isapi.IsToken(n) || !goodValue(v) || framing(n) {
					t.Errorf("header has %q: %q", n, v)
				}
			}
		}
		var s head
		if s.changeStatus(text) == isapi.OK && (s.code < 200 || s.code > 599 || !goodValue(s.text)) {
			t.Errorf("status is %d %q", s.code, s.text)
		}
	})
}

func TestPlainPath(t *testing.T) {
	for from, want := range map[string]string{
		"/":                 "/",
		"/a/b?../x":         "/a/b?../x",
		"/a/../b":           "/b",
		"/a/./b/":           "/a/b/",
		"/a/b/..":           "/a/",
		"/a/b/.":            "/a/b/",
		"/a/..":             "/",
		`/a\b\..\c?q=\`:     `/a/c?q=\`,
		"/a//b/../c":        "/a//c",
		"/.well-known/x":    "/.well-known/x",
		"/../x":             "/../x",
		"/a/../../x":        "/a/../../x",
		"/a/%2e%2e/b":       "/a/%2e%2e/b",
		"http://host/a/../": "http://host/a/../",
	} {
		if got := plainPath(from); got != want {
			t.Errorf("%q: got %q, want %q", from, got, want)
		}
	}
}
