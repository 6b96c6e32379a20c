package executortest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

// testVectorSend: VECTOR_SEND with fixture vector.c.
func testVectorSend(t *testing.T, s *suite) {
	srv := s.serve(t, "vector", executor.Options{ReadAhead: -1}) // srv.post sends no body
	digits := filepath.Join(srv.root, "digits")
	if err := os.WriteFile(digits, []byte(tenDigits), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("valid", func(t *testing.T) { vectorValid(t, srv, digits) })
	t.Run("invalid", func(t *testing.T) { vectorInvalid(t, srv, digits) })
	t.Run("disconnect", func(t *testing.T) { vectorDisconnect(t, srv) })
	t.Run("client leaves", func(t *testing.T) {
		c, told := srv.post(t, "flags=0xa&cb=1&"+vectorHead("268435456")+"&e=mx&e="+arg("f", srv.big(t)))
		if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		c.Close()
		told("0:995")
	})
	secure := s.serveTLS(t, "vector", executor.Options{})
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run("TLS "+proto, func(t *testing.T) {
			for _, flags := range []string{"0x9", "0xa&cb=1"} {
				q := "/?flags=" + flags + "&" + vectorHead("7") + "&e=mab&e=" + arg("f", digits) + ",3,4&e=mc"
				if res := secure.over(proto, "GET", q, ""); res.Body != "ab3456c" {
					t.Errorf("flags %s: got %q, want ab3456c", flags, res.Body)
				}
			}
		})
	}
}

// vectorHead is the parameters status and headers, with a Content-Length unless n is "".
func vectorHead(n string) string {
	h := "Content-Type: text/x\r\n"
	if n != "" {
		h += "Content-Length: " + n + "\r\n"
	}
	return "status=200%20OK&headers=" + arg("", h+"\r\n")
}

func vectorValid(t *testing.T, srv *server, digits string) {
	file := "e=" + arg("f", digits)
	tests := []struct{ name, query, status, body, log string }{
		{"memory", "flags=9&" + vectorHead("3") + "&e=mabc", "200 OK", "abc", "0"},
		{"memory with NULs", "flags=9&" + vectorHead("") + "&e=ma%00b&e=m%00", "200 OK", "a\x00b\x00", "0"},
		{"whole file", "flags=9&" + vectorHead("10") + "&" + file, "200 OK", tenDigits, "0"},
		{"part of a file", "flags=9&" + vectorHead("4") + "&" + file + ",2,4", "200 OK", "2345", "0"},
		{"file from an offset", "flags=9&" + vectorHead("") + "&" + file + ",7", "200 OK", "789", "0"},
		{"file longer than it is", "flags=9&" + vectorHead("") + "&" + file + ",7,100", "200 OK", "789", "0"},
		{"offset at the end", "flags=9&" + vectorHead("") + "&" + file + ",10", "200 OK", "", "0"},
		{"mixed", "flags=9&" + vectorHead("") + "&e=m(&" + file + ",0,2&e=m)(&" + file + ",8&e=m)", "200 OK", "(01)(89)", "0"},
		{"300 elements", "flags=9&" + vectorHead("900") + strings.Repeat("&e=mabc", 300), "200 OK", strings.Repeat("abc", 300), "0"},
		{"large", "flags=9&" + vectorHead("1000004") + "&e=mab&e=x1000000&e=mcd", "200 OK", "ab" + strings.Repeat("x", 1000000) + "cd", "0"},
		{"head alone", "flags=9&status=204&headers=", "204 No Content", "", "0"},
		{"no flag for the mode", "flags=8&" + vectorHead("") + "&e=ma", "200 OK", "a", "0"},
		{"after a header call", "pre=X:1%0d%0a&flags=1&e=ma&e=mb&times=2", "200 OK", "abab", "0 0"},
		{"raw head", "flags=1&e=" + arg("m", "HTTP/1.1 201 Raw\r\n") + "&e=" + arg("m", "Content-Length: 2\r\n\r\n") + "&e=mab", "201 Raw", "ab", "0"},
		{"own chunks", "flags=9&status=200&headers=" + arg("", "Transfer-Encoding: chunked\r\n") + "&e=" + arg("m", "3\r\n") + "&e=mabc&e=" +
			arg("m", "\r\n0\r\n\r\n"), "200 OK", "abc", "0"},
		{"final, cached, no custom errors", "flags=0x79&" + vectorHead("1") + "&e=ma", "200 OK", "a", "0"},
		{"then more", "flags=9&" + vectorHead("") + "&e=ma&then=b", "200 OK", "ab", "0 then 0"},
		{"nothing at all", "flags=1&pre=X:1%0d%0a", "200 OK", "", "0"},
		{"async", "flags=0xa&cb=1&" + vectorHead("12") + "&e=ma&" + file + "&e=mb", "200 OK", "a" + tenDigits + "b", "12:0"},
		{"async, nothing", "flags=0xa&cb=1&" + vectorHead("0"), "200 OK", "", "0:0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := srv.count()
			res := srv.get(test.query)
			if res.Status != test.status || res.Body != test.body {
				t.Errorf("got %s %.100q, want %s %.100q", res.Status, res.Body, test.status, test.body)
			}
			if got := strings.TrimSpace(srv.result(n).LogData); got != test.log {
				t.Errorf("log %q, want %q", got, test.log)
			}
		})
	}
}

// vectorInvalid: everything is checked before the first byte is sent.
func vectorInvalid(t *testing.T, srv *server, digits string) {
	good := "&e=mabc"
	tests := []struct{ name, query, log string }{
		{"status without headers", "flags=9&status=200" + good, "87"},
		{"headers without status", "flags=9&headers=X:1" + good, "87"},
		{"neither, with SEND_HEADERS", "flags=9" + good, "87"},
		{"status without SEND_HEADERS", "flags=1&status=200" + good, "87"},
		{"headers without SEND_HEADERS", "flags=1&headers=X:1" + good, "87"},
		{"bad status", "flags=9&status=what&headers=X:1" + good, "87"},
		{"sync and async", "flags=0xb&cb=1&" + vectorHead("") + good, "87"},
		{"async without callback", "flags=0xa&" + vectorHead("") + good, "87"},
		{"memory of size 0", "flags=9&" + vectorHead("") + good + "&e=z", "87"},
		{"NULL memory", "flags=9&" + vectorHead("") + good + "&e=0", "87"},
		{"unknown type", "flags=9&" + vectorHead("") + good + "&e=t2", "87"},
		{"folder", "flags=9&" + vectorHead("") + good + "&e=d%2F", "6"},
		{"no such handle", "flags=9&" + vectorHead("") + good + "&e=d%2Fno%2Fsuch", "6"},
		{"offset past the end", "flags=9&" + vectorHead("") + good + "&e=" + arg("f", digits) + ",11", "10022"},
		{"offset above 2^63", "flags=9&" + vectorHead("") + good + "&e=" + arg("f", digits) + ",0x8000000000000000", "87"},
		{"count without an array", "flags=9&" + vectorHead("") + "&count=1", "87"},
		{"count far too large", "flags=9&" + vectorHead("") + good + "&count=0xffffffff", "87"},
		{"headers twice", "pre=X:1%0d%0a&flags=9&" + vectorHead("") + good, "87"},
	}
	for _, test := range tests {
		n := srv.count()
		if res := srv.get(test.query); res.Body != "" {
			t.Errorf("%s: sent %q", test.name, res.Body)
		}
		if got := strings.TrimSpace(srv.result(n).LogData); got != test.log {
			t.Errorf("%s: log %q, want %q", test.name, got, test.log)
		}
	}
}

func vectorDisconnect(t *testing.T, srv *server) {
	for _, flags := range []string{"0xd", "0xe&cb=1"} {
		for _, version := range []string{"1.0", "1.1"} {
			for _, length := range []string{"", "3"} {
				got := srv.raw(fmt.Sprintf("GET /?flags=%s&%s&e=mabc HTTP/%s\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", flags, vectorHead(length), version))
				if !strings.Contains(got, "abc") {
					t.Errorf("flags %s, HTTP/%s: got %q, want abc and the end", flags, version, got)
				}
			}
		}
	}
	got := srv.raw("GET /?flags=0x5&pre=X:1%0d%0a&e=mabc&then=dropped HTTP/1.1\r\nHost: x\r\n\r\n")
	if !strings.Contains(got, "abc") || strings.Contains(got, "dropped") {
		t.Errorf("after a header call that kept the connection: got %q", got)
	}
}
