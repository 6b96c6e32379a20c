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

const tenDigits = "0123456789"

// testTransmitFile: TRANSMIT_FILE with fixture transmit.c, which leaves the file's position at 3 before the call.
func testTransmitFile(t *testing.T, s *suite) {
	srv := s.serve(t, "transmit", executor.Options{ReadAhead: -1}) // srv.post sends no body
	digits := filepath.Join(srv.root, "digits")
	if err := os.WriteFile(digits, []byte(tenDigits), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("pieces", func(t *testing.T) { transmitPieces(t, srv, "path="+arg("", digits)) })
	t.Run("refused", func(t *testing.T) { transmitRefused(t, srv, "path="+arg("", digits)) })
	t.Run("truncated", func(t *testing.T) { transmitTruncated(t, srv) })
	t.Run("client leaves", func(t *testing.T) { transmitAbandoned(t, srv) })
	t.Run("disconnect", func(t *testing.T) { transmitDisconnect(t, srv, "path="+arg("", digits)) })
	secure := s.serveTLS(t, "transmit", executor.Options{})
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run("TLS "+proto, func(t *testing.T) {
			for _, flags := range []string{"8", "10&cb=own"} {
				q := "/?path=" + arg("", digits) + "&off=2&n=5&tail=t&" + withLength("6") + "&flags=" + flags
				if res := secure.over(proto, "GET", q, ""); res.Body != "23456t" {
					t.Errorf("flags %s: got %q, want 23456t", flags, res.Body)
				}
			}
		})
	}
}

// withLength is the parameter head with a Content-Length.
func withLength(n string) string {
	return "head=" + arg("", "Content-Type: text/x\r\nContent-Length: "+n+"\r\n\r\n")
}

func transmitPieces(t *testing.T, srv *server, file string) {
	raw := "head=" + arg("", "HTTP/1.1 201 Raw\r\nContent-Length: 10\r\nX-Raw: 1\r\n\r\n")
	tests := []struct {
		name, query  string
		status, body string
		log          string // result, or completion; then the file's position
	}{
		{"whole file", file + "&flags=8", "200 OK", tenDigits, "0 at 3"},
		{"offset to the end", file + "&off=4&flags=8&" + withLength("6"), "200 OK", "456789", "0 at 3"},
		{"offset and length", file + "&off=4&n=2&flags=8&" + withLength("2"), "200 OK", "45", "0 at 3"},
		{"longer than the file", file + "&off=8&n=100&flags=8", "200 OK", "89", "0 at 3"},
		{"offset at the end", file + "&off=10&flags=8", "200 OK", "", "0 at 3"},
		{"status", file + "&status=404%20Gone&flags=8", "404 Gone", tenDigits, "0 at 3"},
		{"header mode ignores the NUL in the length", file + "&flags=8&hl=57&" + withLength("10"), "200 OK", tenDigits, "0 at 3"},
		{"header mode with a length too large", file + "&flags=8&hl=4096&" + withLength("10"), "200 OK", tenDigits, "0 at 3"},
		{"tail", file + "&flags=8&tail=-tail%00x", "200 OK", tenDigits + "-tail\x00x", "0 at 3"},
		{"no file", "flags=8&tail=body&" + withLength("4"), "200 OK", "body", "0"},
		{"head alone", "flags=8&status=204", "204 No Content", "", "0"},
		{"raw head", file + "&" + raw, "201 Raw", tenDigits, "0 at 3"},
		{"raw head alone", "n=0&" + raw + "&then=" + tenDigits, "201 Raw", tenDigits, "0 then 0"},
		{"opaque head", file + "&pre=X:%201%0d%0a&head=%3C%00&tail=%3E", "200 OK", "<\x00" + tenDigits + ">", "0 at 3"},
		{"head length alone counts", file + "&pre=X:%201%0d%0a&head=abcdef&hl=3", "200 OK", "abc" + tenDigits, "0 at 3"},
		{"then more", file + "&flags=8&then=more", "200 OK", tenDigits + "more", "0 then 0 at 3"},
		{"pipe", "kind=pipe&flags=8", "200 OK", "through a pipe", "0"},
		{"pipe, length", "kind=pipe&n=7&flags=8", "200 OK", "through", "0"},
		{"async, own callback", file + "&flags=10&cb=own&tail=xy", "200 OK", tenDigits + "xy", "12:0 at 3"},
		{"async, general callback", file + "&flags=10&cb=io&" + withLength("10"), "200 OK", tenDigits, "10:0 at 3"},
		{"async, own callback wins", file + "&flags=10&cb=both", "200 OK", tenDigits, "10:0 at 3"},
		{"async, no file", "flags=10&cb=own&tail=x", "200 OK", "x", "1:0"},
		{"async counts a raw head", file + "&flags=2&cb=own&" + raw, "201 Raw", tenDigits, "60:0 at 3"},
		{"async pipe", "kind=pipe&flags=10&cb=own", "200 OK", "through a pipe", "14:0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := srv.count()
			res := srv.get(test.query)
			if res.Status != test.status || res.Body != test.body {
				t.Errorf("got %s %q, want %s %q", res.Status, res.Body, test.status, test.body)
			}
			if got := strings.TrimSpace(srv.result(n).LogData); got != test.log {
				t.Errorf("log %q, want %q", got, test.log)
			}
		})
	}
}

// transmitRefused: FALSE with the error, no callback, and nothing sent.
func transmitRefused(t *testing.T, srv *server, file string) {
	tests := []struct{ name, query, log string }{
		{"async without callback", file + "&flags=10", "87 at 3"},
		{"offset past the end", file + "&off=11&flags=8", "10022 at 3"},
		{"async offset past the end", file + "&off=11&flags=10&cb=own", "10022 at 3"},
		{"directory", "kind=dir&flags=8", "6"},
		{"closed handle", "kind=closed&flags=8", "6"},
		{"INVALID_HANDLE_VALUE", "kind=minus&flags=10&cb=own", "6"},
		{"pipe with offset", "kind=pipe&off=1&flags=8", "10022"},
		{"headers twice", file + "&pre=X:%201%0d%0a&flags=8", "87 at 3"},
		{"bad status", file + "&status=what&head=X:%201&flags=8", "87 at 3"},
		{"negative head length", file + "&head=x&hl=0xffffffff", "87 at 3"},
		{"negative tail length", file + "&tail=x&tl=0x80000000&flags=8", "87 at 3"},
	}
	for _, test := range tests {
		n := srv.count()
		if res := srv.get(test.query); res.Body != "" {
			t.Errorf("%s: sent %q", test.name, res.Body)
		}
		if got := srv.result(n).LogData; got != test.log {
			t.Errorf("%s: log %q, want %q", test.name, got, test.log)
		}
	}
}

// big makes a file that no buffer holds.
func (s *server) big(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "big")
	f, err := os.Create(name)
	if err == nil {
		err = f.Truncate(256 << 20)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return name
}

// transmitTruncated: a file that loses its end while it is sent is ERROR_READ_FAULT, and the client sees a break.
func transmitTruncated(t *testing.T, srv *server) {
	name := srv.big(t)
	c, told := srv.post(t, "flags=10&cb=own&path="+arg("", name)+"&"+withLength(fmt.Sprint(256<<20)))
	if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	n, _ := io.Copy(io.Discard, c)
	if n >= 255<<20 {
		t.Error("the client got it all")
	}
	told("0:30 at 3")
}

func transmitAbandoned(t *testing.T, srv *server) {
	c, told := srv.post(t, "flags=10&cb=own&path="+arg("", srv.big(t))+"&"+withLength(fmt.Sprint(256<<20)))
	if _, err := io.ReadFull(c, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	told("0:995 at 3")
}

// transmitDisconnect: the connection ends with the response, whatever the client wished, and what follows is dropped.
func transmitDisconnect(t *testing.T, srv *server, file string) {
	for _, flags := range []string{"12", "14&cb=own"} {
		for _, version := range []string{"1.0", "1.1"} {
			for _, head := range []string{"", "&" + withLength("10")} {
				got := srv.raw("GET /?" + file + head + "&then=dropped&flags=" + flags + " HTTP/" + version +
					"\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
				if !strings.Contains(got, tenDigits) || strings.Contains(got, "dropped") {
					t.Errorf("flags %s, HTTP/%s: got %q, want the digits alone", flags, version, got)
				}
			}
		}
	}
	got := srv.raw("GET /?" + file + "&flags=4&" + "pre=" + arg("", "Content-Length: 10\r\n") + " HTTP/1.1\r\nHost: x\r\n\r\n")
	if !strings.HasSuffix(got, tenDigits) {
		t.Errorf("after a header call that kept the connection: got %q", got)
	}
}
