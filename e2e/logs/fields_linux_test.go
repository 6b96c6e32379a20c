package logs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// raw sends a request as it stands and returns all that comes back.
func raw(t *testing.T, s *server, method, request string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(s.urls[0], "http://"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	var answer bytes.Buffer
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(c, &answer)), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	return answer.String() // nothing else was asked for, so nothing else has come
}

// The fields that are not there by default: headers of both sides, and bytes as they were on the wire.
func TestFields(t *testing.T) {
	s := newServer(t)
	s.write("isapid.yaml", one+`
log:
  access:
    file: ./a.log
    fields: [cs-uri-stem, cs-method, cs-version, cs-host, cs(X-Test), sc(Content-Type), sc-status, sc-substatus, sc-win32-status, sc-bytes, cs-bytes]
`)
	s.start("serve")
	type exchange struct{ request, answer, want string }
	var all []exchange
	for i, x := range []struct{ first, headers, body, want string }{
		{"GET /page.txt?1 HTTP/1.1", "X-Test: a\tb\r\n", "", "/page.txt GET HTTP/1.1 h a+b text/plain 200 0 0"},
		{"GET /page.txt HTTP/1.1", "Connection: close\r\n", "", "/page.txt GET HTTP/1.1 h - text/plain 200 0 0"},
		{"HEAD /page.txt HTTP/1.1", "X-Test: one\r\nX-Test: two\r\n", "", "/page.txt HEAD HTTP/1.1 h one text/plain 200 0 0"},
		{"POST /echo/x HTTP/1.1", "Content-Length: 5\r\n", "12345", "/echo/x POST HTTP/1.1 h - text/html 200 0 0"},
		{"GET /" + strings.Repeat("x", 5000) + " HTTP/1.1", "", "", "/" + strings.Repeat("x", 5000) + " GET HTTP/1.1 h - text/html;+charset=utf-8 404 14 0"},
		{"GET /page.txt HTTP/1.1", "Range: bytes=1-2\r\n", "", "/page.txt GET HTTP/1.1 h - text/plain 206 0 0"},
	} {
		request := x.first + "\r\nHost: h\r\n" + x.headers + "\r\n" + x.body
		all = append(all, exchange{request, raw(t, s, strings.Fields(x.first)[0], request), x.want})
		s.Until("written", func() bool { return len(lines(s.read("a.log"))) == i+1 }) // one after the other
	}
	s.End()
	for i, line := range lines(s.read("a.log")) {
		x := all[i]
		if !strings.HasPrefix(line, x.want) {
			t.Errorf("\n got %s\nwant %s", line, x.want)
		}
		fields := strings.Split(line, " ")
		if len(fields) != 11 {
			t.Fatalf("%d fields: %s", len(fields), line)
		}
		sent, _ := strconv.Atoi(fields[9])
		received, _ := strconv.Atoi(fields[10])
		if sent != len(x.answer) || received != len(x.request) {
			t.Errorf("%d bytes were sent and %d logged, %d received and %d logged:\n%s\n%s", len(x.answer), sent, len(x.request), received, x.request, x.answer)
		}
	}
}

// Who leaves before the end of the response has 64 as sc-win32-status.
func TestClientLeaves(t *testing.T) {
	s := newServer(t)
	s.write("isapid.yaml", one+"log: {access: {file: ./a.log, fields: [cs-uri-stem, sc-status, sc-win32-status]}}\n")
	big, err := os.Create(filepath.Join(s.dir, "root", "big.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := big.Truncate(1 << 30); err != nil { // with nothing on the disk
		t.Fatal(err)
	}
	big.Close()
	s.start("serve")
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(s.urls[0], "http://"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, "GET /big.txt HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
		t.Error(err)
	}
	c.Close()
	s.Until("written", func() bool { return len(lines(s.read("a.log"))) == 1 })
	if line := lines(s.read("a.log"))[0]; line != "/big.txt 200 64" {
		t.Errorf("got %s", line)
	}
}
