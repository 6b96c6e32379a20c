package executortest

import (
	"fmt"
	"strings"
	"testing"
)

// rawTests are responses that begin with WriteClient, or with pHead of TRANSMIT_FILE, and no header call.
var rawTests = []struct{ text, line, header, body string }{
	// whole HTTP heads
	{"HTTP/1.1 201 Made\r\nX-A: 1\r\n\r\nbody", "201 Made", "X-A: 1", "body"},
	{"HTTP/1.0 200 OK\r\nContent-Type: a/b\r\n\r\nbody", "200 OK", "Content-Type: a/b", "body"},
	{"HTTP/1.1 404 Not Found\nX-A: 1\n\nbody", "404 Not Found", "X-A: 1", "body"},
	{"HTTP/1.1 200 OK\r\n\r\n", "200 OK", "", ""},
	{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "200 OK", "Content-Length: 4", "body"},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "200 OK", "", "body"},
	{"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\n\r\nbody", "200 OK", "X-A: 1 2", "body"},
	{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nbody", "200 OK", "X-A: 1", "body"},
	// CGI heads
	{"Content-Type: a/b\n\nbody", "200 OK", "Content-Type: a/b", "body"},
	{"Content-Type: a/b\r\nStatus: 404 Not Here\r\n\r\nbody", "404 Not Here", "Content-Type: a/b", "body"},
	{"Status: 403\r\n\r\n", "403 Forbidden", "", ""},
	// no heads: the body of a page
	{"<html>hello</html>", "200 OK", "Content-Type: text/html", "<html>hello</html>"},
	{"{\"a\": 1}\n\n", "200 OK", "Content-Type: text/html", "{\"a\": 1}\n\n"},
	{"hello", "200 OK", "Content-Type: text/html", "hello"},
	{"Note: this never ends", "200 OK", "Content-Type: text/html", "Note: this never ends"},
	{"Note: one line\nand a second\n\n", "200 OK", "Content-Type: text/html", "Note: one line\nand a second\n\n"},
	{"\r\n\r\nlate", "200 OK", "Content-Type: text/html", "\r\n\r\nlate"},
	{"\nlate", "200 OK", "Content-Type: text/html", "\nlate"},
	{"H", "200 OK", "Content-Type: text/html", "H"},
	{"HTTP/1.1 200", "200 OK", "Content-Type: text/html", "HTTP/1.1 200"},
	{"HTTP/1.1 nonsense\r\n\r\nbody", "200 OK", "Content-Type: text/html", "HTTP/1.1 nonsense\r\n\r\nbody"},
	{"HTTP/1.1 200 OK\r\nX-A: a\rb\r\n\r\nbody", "200 OK", "Content-Type: text/html", "HTTP/1.1 200 OK\r\nX-A: a\rb\r\n\r\nbody"},
	{"\x00\x01\x02", "200 OK", "Content-Type: text/html", "\x00\x01\x02"},
}

// testRaw sends each in one piece, in bytes, cut at every place, and as pHead.
func testRaw(t *testing.T, s *suite) {
	p := s.player(t)
	for _, tt := range rawTests {
		ways := []string{"write=" + tt.text, "bytes=" + tt.text, "head=" + tt.text, "nothing= | write=" + tt.text}
		for i := 1; i < len(tt.text); i++ {
			ways = append(ways, fmt.Sprintf("split=%d | write=%s", i, tt.text))
		}
		for _, steps := range ways {
			got := p.play(steps)
			if got.line != "HTTP/1.1 "+tt.line || got.body != tt.body || strings.Trim(got.notes, "0 ") != "" {
				t.Errorf("%q: %q, body %q, calls %q; want %q, body %q", steps, got.line, got.body, got.notes, tt.line, tt.body)
			}
			name, value, _ := strings.Cut(tt.header, ": ")
			if v := got.header.Values(name); name != "" && (len(v) != 1 || v[0] != value) {
				t.Errorf("%q: header %s is %q, want %q once", steps, name, v, value)
			}
		}
	}
	testRawEdges(t, p)
}

func testRawEdges(t *testing.T, p *player) {
	many := strings.Repeat("X-Field: "+strings.Repeat("v", 90)+"\r\n", 300) // 30 KB: a head
	long := strings.Repeat("X-Field: "+strings.Repeat("v", 90)+"\r\n", 700) // 70 KB: too much for one
	for _, tt := range []struct{ name, steps, line, body, notes string }{
		{"large head", "write=HTTP/1.1 201 Made\r\n" + many + "\r\nbody", "201 Made", "body", "0"},
		{"too large head", "write=HTTP/1.1 201 Made\r\n" + long + "\r\nbody", "200 OK", "HTTP/1.1 201 Made\r\n" + long + "\r\nbody", "0"},
		{"too large head in pieces", "split=65530 | write=HTTP/1.1 201 Made\r\n" + long + "\r\nbody", "200 OK", "HTTP/1.1 201 Made\r\n" + long + "\r\nbody", "0"},
		{"header call within a raw head", "write=HTTP/1.1 201 Made\r\n | status=404 | send= | redirect=/x | write=X-A: 1\r\n\r\nbody", "201 Made", "body", "0 87 87 0"},
		{"ERROR after a raw head", "write=HTTP/1.1 404 Away\r\n\r\nbody | return=4", "404 Away", "body", "0"},
		{"ERROR within what may be a head", "write=HTTP/1.1 404 | return=4", "200 OK", "HTTP/1.1 404", "0"},
		{"many interim heads", "write=" + strings.Repeat("HTTP/1.1 100 C\r\n\r\n", 1000) + "HTTP/1.1 201 Made\r\n\r\nbody", "201 Made", "body", "0"},
	} {
		got := p.play(tt.steps)
		if got.line != "HTTP/1.1 "+tt.line || got.body != tt.body || got.notes != tt.notes {
			t.Errorf("%s: %q, body %d bytes %.60q, calls %q; want %q, %d bytes, calls %q", tt.name, got.line, len(got.body), got.body, got.notes, tt.line, len(tt.body), tt.notes)
		}
	}
}
