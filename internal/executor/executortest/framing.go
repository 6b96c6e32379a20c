package executortest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

func testFraming(t *testing.T, s *suite) {
	t.Run("KeepAlive", func(t *testing.T) { testKeepAlive(t, s) })
	t.Run("Chunks", func(t *testing.T) { testChunks(t, s) })
	t.Run("BadChunks", func(t *testing.T) { testBadChunks(t, s) })
	t.Run("Length", func(t *testing.T) { testLength(t, s) })
	t.Run("Pipelined", func(t *testing.T) { testPipelined(t, s) })
}

const sized = "header=Content-Length: 1\r\n\r\n | "

// testKeepAlive sends two requests on one connection and sees how many are answered.
func testKeepAlive(t *testing.T, s *suite) {
	srv := s.serve(t, "play", executor.Options{})
	for _, tt := range []struct {
		name, version, fields string // of the request
		steps                 string
		answers               int
		connection            string // of the first response
	}{
		{"_EX with TRUE", "1.1", "", sized + "ex= | write=x", 2, ""},
		{"_EX with TRUE and no length", "1.1", "", "ex= | write=x", 2, ""},
		{"_EX with FALSE", "1.1", "", sized + "close= | write=x", 1, "close"},
		{"_EX with FALSE and no length", "1.1", "", "close= | write=x", 1, "close"},
		{"the old call", "1.1", "", sized + "send= | write=x", 2, ""},
		{"redirect", "1.1", "", "redirect=/x", 2, ""},
		{"nothing", "1.1", "", "split=0", 2, ""},
		{"returns KEEP_CONN", "1.1", "", sized + "send= | write=x | return=2", 2, ""},
		{"ERROR with nothing sent", "1.1", "", "return=4", 2, ""},
		{"ERROR after a complete response", "1.1", "", sized + "ex= | write=x | return=4", 2, ""},
		{"Connection: close of its own", "1.1", "", "header=Content-Length: 1\r\nConnection: close\r\n\r\n | ex= | write=x", 1, "close"},
		{"close among others", "1.1", "", "header=Content-Length: 1\r\nconnection: foo, Close\r\n\r\n | ex= | write=x", 1, "close"},
		{"Keep-Alive of its own", "1.1", "", "header=Content-Length: 1\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n\r\n | ex= | write=x", 2, ""},
		{"raw", "1.1", "", "write=HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 2, ""},
		{"raw with close", "1.1", "", "write=HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx", 1, "close"},
		{"the client closes", "1.1", "Connection: close\r\n", sized + "ex= | write=x", 1, "close"},
		{"1.0", "1.0", "", sized + "ex= | write=x", 1, ""},
		{"1.0 with keep-alive", "1.0", "Connection: Keep-Alive\r\n", sized + "ex= | write=x", 2, "keep-alive"},
		{"1.0 with keep-alive and FALSE", "1.0", "Connection: Keep-Alive\r\n", sized + "close= | write=x", 1, "close"},
		{"1.0 with keep-alive, no length", "1.0", "Connection: Keep-Alive\r\n", "flush=1 | ex= | write=x", 1, ""},
		{"1.0 with keep-alive, own chunks", "1.0", "Connection: Keep-Alive\r\n", "header=Transfer-Encoding: chunked\r\n\r\n | flush=1 | ex= | write=1\r\nx\r\n0\r\n\r\n", 1, ""},
	} {
		first := "GET /app.dll?" + script(tt.steps) + " HTTP/" + tt.version + "\r\nHost: h\r\n" + tt.fields + "\r\n"
		second := "GET /app.dll?" + script("status=202 | ex=") + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
		all := srv.raw(first + second)
		if n := strings.Count(all, "HTTP/1."); n != tt.answers {
			t.Errorf("%s: %d answers, want %d: %q", tt.name, n, tt.answers, all)
			continue
		}
		head, rest, _ := strings.Cut(all, "\r\n\r\n")
		if c := headerOf(head, "Connection"); !strings.EqualFold(c, tt.connection) {
			t.Errorf("%s: Connection: %q, want %q", tt.name, c, tt.connection)
		}
		if tt.answers == 1 && tt.version == "1.0" && rest != "x" {
			t.Errorf("%s: body %q, want x without any framing", tt.name, rest)
		}
		if strings.Contains(strings.ToLower(head), "keep-alive:") {
			t.Errorf("%s: the extension's Keep-Alive field was passed on: %q", tt.name, head)
		}
	}
}

// headerOf finds a header line in a head as it came.
func headerOf(head, name string) string {
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
			return v
		}
	}
	return ""
}

const chunkedHead = "header=Transfer-Encoding: chunked\r\n\r\n | ex= | "

// testChunks: chunk framing of the extension's own must reach the client once, not twice, however it is cut.
func testChunks(t *testing.T, s *suite) {
	p := s.player(t)
	for _, chunks := range []string{
		"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
		"5;name=value\r\nhello\r\n0007 \r\n, world\r\n000\r\n\r\n",
		"5\nhello\n7\n, world\n0\n\n",
		"c\r\nhello, world\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
		"C\r\nhello, world\r\n0\r\n\r\n",
	} {
		ways := []string{chunkedHead + "write=" + chunks, chunkedHead + "bytes=" + chunks, chunkedHead + "write=" + chunks + " | return=4"}
		for i := 1; i < len(chunks); i++ {
			ways = append(ways, fmt.Sprintf("%ssplit=%d | write=%s", chunkedHead, i, chunks))
		}
		for _, steps := range ways {
			got := p.play(steps)
			if got.body != "hello, world" || strings.Trim(got.notes, "0 ") != "" || got.result.Bytes != 12 {
				t.Errorf("%q: body %q, calls %q, %d bytes", steps, got.body, got.notes, got.result.Bytes)
			}
		}
	}
	for _, header := range []string{
		"Transfer-Encoding: Chunked\r\n\r\n", "transfer-encoding:chunked\r\n\r\n",
		"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n",
	} {
		steps := "header=" + header + " | close= | write=3\r\nllo\r\n0\r\n\r\n"
		want := "llo"
		if strings.Contains(header, "he\r\n") {
			want = "hello"
		}
		if got := p.play(steps); got.body != want || got.header.Get("Trailer") != "" {
			t.Errorf("%q: body %q, %v; want %q", steps, got.body, got.header, want)
		}
	}
}

// testBadChunks: the client must see a break, not an end.
func testBadChunks(t *testing.T, s *suite) {
	srv := s.serve(t, "play", executor.Options{})
	for _, chunks := range []string{
		"", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n",
		"5\r\nhelloX\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "x\r\nhello\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n",
		"5 5\x00\r\nhello\n\n0\r\n\r\n", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\nmore",
		"5;" + strings.Repeat("x", 5000) + "\r\nhello\r\n0\r\n\r\n", "hello",
	} {
		for _, end := range []string{"1", "4"} {
			steps := chunkedHead + "write=" + chunks + " | return=" + end
			all := srv.raw("GET /app.dll?" + script(steps) + " HTTP/1.1\r\nHost: h\r\n\r\n")
			if got, err := parse(all, "GET"); err == nil {
				t.Errorf("%.100q: the client saw a complete response with body %q", steps, got.body)
			}
		}
	}
	if !srv.log.Has("bad chunk framing") || !srv.log.Has("sent less than it promised") {
		t.Error("the log does not tell of bad and unfinished chunks")
	}
}

// testLength: Content-Length and what was written do not agree.
func testLength(t *testing.T, s *suite) {
	p := s.player(t)
	for _, tt := range []struct{ header, body, want, length string }{
		{"Content-Length: 5", "hello", "hello", "5"},
		{"Content-Length: 5", "hello, world", "hello", "5"},
		{"Content-Length: 0", "hello", "", "0"},
		{"content-length:5", "hello", "hello", "5"},
		{"Content-Length: 5\r\nContent-Length: 5", "hello", "hello", "5"},
		{"Content-Length: 005", "hello", "hello", "5"},
		{"Content-Length: five", "hello", "hello", ""},
		{"Content-Length: -5", "hello", "hello", ""},
		{"Content-Length: 99999999999999999999", "hello", "hello", ""},
	} {
		for _, write := range []string{"write=", "bytes=", "split=3 | write="} {
			got := p.play("flush=1 | header=" + tt.header + "\r\n\r\n | ex= | " + write + tt.body)
			if got.body != tt.want || got.header.Get("Content-Length") != tt.length || strings.Trim(got.notes, "0 ") != "" {
				t.Errorf("%q, %q: body %q, Content-Length %q, calls %q", tt.header, tt.body, got.body, got.header.Get("Content-Length"), got.notes)
			}
		}
	}
	if !p.log.Has("sent more than its Content-Length") {
		t.Error("the log does not tell of bytes beyond Content-Length")
	}
	for _, steps := range []string{
		"header=Content-Length: 5\r\n\r\n | ex= | write=hell", "header=Content-Length: 5\r\n\r\n | ex=",
		"header=Content-Length: 5\r\n\r\n | send= | return=4", "write=HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
	} {
		if got, err := parse(p.raw("GET /app.dll?"+script(steps)+" HTTP/1.1\r\nHost: h\r\n\r\n"), "GET"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: body %q and %v, want a break", steps, got.body, err)
		}
	}
	// Bytes too many must not become the next response on the connection.
	more := "GET /app.dll?" + script("header=Content-Length: 5\r\n\r\n | ex= | write=helloHTTP/1.1 666 Evil\r\n\r\n") + " HTTP/1.1\r\nHost: h\r\n\r\n"
	next := "GET /app.dll?" + script("status=202 | ex=") + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
	if all := p.raw(more + next); strings.Contains(all, "666") {
		t.Errorf("bytes beyond Content-Length reached the client: %q", all)
	}
}

// testPipelined: requests sent in one go are answered in their order.
func testPipelined(t *testing.T, s *suite) {
	srv := s.serve(t, "play", executor.Options{})
	var all, want strings.Builder
	for i := range 20 {
		body := fmt.Sprintf("answer %d.", i)
		fmt.Fprintf(&all, "GET /app.dll?%s HTTP/1.1\r\nHost: h\r\n", script(fmt.Sprintf("header=Content-Length: %d\r\n\r\n | ex= | write=%s", len(body), body)))
		if i == 19 {
			all.WriteString("Connection: close\r\n")
		}
		all.WriteString("\r\n")
		want.WriteString(body)
	}
	var got strings.Builder
	for i, part := range strings.Split(srv.raw(all.String()), "HTTP/1.1 200 OK\r\n") {
		if _, body, _ := strings.Cut(part, "\r\n\r\n"); i > 0 {
			got.WriteString(body)
		}
	}
	if got.String() != want.String() {
		t.Errorf("pipelined answers %q, want %q", got.String(), want.String())
	}
}
