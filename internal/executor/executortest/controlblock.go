package executortest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

// testControlBlock: every field of EXTENSION_CONTROL_BLOCK, as the extension sees it when it is called.
func testControlBlock(t *testing.T, s *suite) {
	srv := s.serve(t, "controlblock", executor.Options{})
	const body = "Content-Type: text/x-test; a=b\r\nContent-Length: 4\r\n\r\nbody"
	cases := []struct {
		request                            string
		method, query, info, data, content string
	}{
		{request: "GET /app.dll HTTP/1.1\r\nHost: h\r\n\r\n", method: "GET"},
		{request: "GET /app.dll? HTTP/1.0\r\n\r\n", method: "GET"},
		{request: "GET /app.dll/a%20b/%c3%a4?x=%41+&y=a?b/#c HTTP/1.1\r\nHost: h\r\n\r\n", method: "GET", query: "x=%41+&y=a?b/#c", info: "/a b/ä"},
		{request: "GET http://elsewhere/app.dll/a?b HTTP/1.1\r\nHost: h\r\n\r\n", method: "GET", query: "b", info: "/a"},
		{request: "POST /app.dll HTTP/1.1\r\nHost: h\r\n" + body, method: "POST", data: "body", content: "text/x-test; a=b"},
		{request: "POST /app.dll HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", method: "POST", data: "body"},
		{request: "GET /app.dll HTTP/1.1\r\nHost: h\r\n" + body, method: "GET", data: "body", content: "text/x-test; a=b"},
		{request: "PROPFIND /app.dll HTTP/1.1\r\nHost: h\r\n\r\n", method: "PROPFIND"},
		{request: "M-SEARCH /app.dll HTTP/1.1\r\nHost: h\r\n\r\n", method: "M-SEARCH"},
		{request: "get /app.dll HTTP/1.1\r\nHost: h\r\n\r\n", method: "get"},
		{request: strings.Repeat("X", 300) + " /app.dll HTTP/1.1\r\nHost: h\r\n\r\n", method: strings.Repeat("X", 300)},
	}
	size := map[int]int{4: 144, 8: 192}[srv.images.pointer()]
	for _, c := range cases {
		want := fmt.Sprintf("cbSize %d of %d\ndwVersion 6.0\nConnID is the address\ndwHttpStatusCode 200\nlpszLogData empty\nlpszMethod [%s]\n"+
			"lpszQueryString [%s]\nlpszPathInfo [%s]\nlpszPathTranslated [%s]\ncbTotalBytes %d\ncbAvailable %d\n"+
			"lpbData [%s]\nlpszContentType [%s]\ncallbacks 1\n",
			size, size, c.method, c.query, srv.images.narrow(c.info), srv.images.narrow(srv.images.below(srv.root, c.info)), len(c.data), len(c.data), c.data, c.content)
		got := split(t, srv.raw(strings.Replace(c.request, "\r\n", "\r\nConnection: close\r\n", 1)), c.method).body
		if got != want {
			t.Errorf("%q:\n%s\nwant:\n%s", c.request, got, want)
		}
	}
	testLeft(t, srv, len(cases))
}

// testLeft: what the extension leaves in the block. dwHttpStatusCode is the status of a response that has no other, if it
// can be one; lpszLogData need not end. before is how many requests there were.
func testLeft(t *testing.T, srv *server, before int) {
	for i, c := range []struct {
		query  string
		status int
	}{
		{"unchanged", 200}, {"status=404", 404}, {"status=201", 201}, {"status=599", 599}, {"status=4", 200}, {"status=0", 200},
		{"status=99", 200}, {"status=100", 200}, {"status=199", 200}, {"status=600", 200}, {"status=4294967295", 200},
	} {
		if res := srv.get(c.query); res.StatusCode != c.status || res.Body != "" {
			t.Errorf("%s: %s with body %q; want %d without", c.query, res.Status, res.Body, c.status)
		}
		want := strings.Repeat("l", 80)
		if c.query == "unchanged" {
			want = ""
		}
		if r := srv.result(before + i); r.LogData != want || r.Status != c.status {
			t.Errorf("%s: result %d with log data %q; want %d and %q", c.query, r.Status, r.LogData, c.status, want)
		}
	}
}
