package executortest

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

func testBody(t *testing.T, s *suite) {
	t.Run("ReadAhead", func(t *testing.T) { testReadAhead(t, s) })
	t.Run("Duplex", func(t *testing.T) { testDuplex(t, s) })
	t.Run("Continue", func(t *testing.T) { testContinue(t, s) })
	t.Run("Broken", func(t *testing.T) { testBrokenBody(t, s) })
	t.Run("Unread", func(t *testing.T) { testUnread(t, s) })
}

const unknown = 1<<32 - 1

// noise is n bytes that are the same in every run, and their FNV sum.
func noise(n int) ([]byte, uint32) {
	b := make([]byte, n)
	src := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(src.Uint32())
	}
	h := fnv.New32a()
	h.Write(b)
	return b, h.Sum32()
}

func testReadAhead(t *testing.T, s *suite) {
	for _, tt := range []struct {
		ahead   int // option; 0: its default
		size    int
		chunked bool
		total   uint32 // cbTotalBytes
		avail   int    // cbAvailable
	}{
		{0, 0, false, 0, 0},
		{0, 1, false, 1, 1},
		{0, 48<<10 - 1, false, 48<<10 - 1, 48<<10 - 1},
		{0, 48 << 10, false, 48 << 10, 48 << 10},
		{0, 48<<10 + 1, false, 48<<10 + 1, 48 << 10},
		{0, 300_001, false, 300_001, 48 << 10},
		{100, 300, false, 300, 100},
		{1 << 20, 300_001, false, 300_001, 300_001},
		{-1, 300, false, 300, 0},
		{-1, 0, false, 0, 0},
		// chunked: the length is known if the whole body fitted into the read-ahead
		{0, 0, true, 0, 0},
		{0, 300, true, 300, 300},
		{0, 48 << 10, true, unknown, 48 << 10},
		{0, 300_001, true, unknown, 48 << 10},
		{-1, 300, true, unknown, 0},
	} {
		srv := s.serve(t, "body", executor.Options{ReadAhead: tt.ahead})
		data, sum := noise(tt.size)
		for _, how := range []string{"read=1", "read=1000", "read=65536", "zero", "huge"} {
			if tt.chunked && how == "huge" || how == "read=1" && tt.size > 60000 {
				continue
			}
			var body io.Reader = bytes.NewReader(data)
			if tt.chunked {
				body = io.MultiReader(body) // hides its length
			}
			got := srv.do("POST", "/app.dll?"+how, body, "Content-Type", "a/b").Body
			zero := 99
			if how == "zero" {
				zero = 0
			}
			want := fmt.Sprintf("total=%d available=%d after=0 read=%d sum=%08x error=0 zero=%d type=a/b", tt.total, tt.avail, tt.size-tt.avail, sum, zero)
			if got != want {
				t.Errorf("%+v, %s:\n%s, want\n%s", tt, how, got, want)
			}
		}
	}
	srv := s.serve(t, "body", executor.Options{})
	if got, want := srv.get("read=100").Body, "total=0 available=0 after=0 read=0 sum=811c9dc5 error=0 zero=99 type="; got != want {
		t.Errorf("GET without a body: %s, want %s", got, want)
	}
	got := srv.raw("POST /app.dll?never HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5000000000\r\n\r\n" + strings.Repeat("x", 48<<10))
	if !strings.Contains(got, "total=4294967295 available=49152 ") {
		t.Errorf("5 GB body: %q", got)
	}
}

// testDuplex: an extension may read on after it has begun to write, and the client gets it as it goes.
func testDuplex(t *testing.T, s *suite) {
	srv := s.serve(t, "body", executor.Options{})
	data, _ := noise(400_000)
	if got := srv.do("POST", "/app.dll?first", bytes.NewReader(data)).Body; got != string(data) {
		t.Errorf("echo of %d bytes differs, %d came back", len(data), len(got))
	}
	body, in := io.Pipe()
	req, _ := http.NewRequest("POST", srv.URL+"/app.dll?first", body)
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		in.Write(data[:100_000])
	}()
	tr := &http.Transport{DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-wrote
	part := make([]byte, 99_000) // 48 KiB of read-ahead and whole blocks of 1000
	if _, err := io.ReadFull(res.Body, part); err != nil || !bytes.Equal(part, data[:99_000]) {
		t.Errorf("echo before the request was complete: %v", err)
	}
	in.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(rest, data[99_000:100_000]) {
		t.Errorf("rest of the echo: %d bytes, %v", len(rest), err)
	}
}

// testContinue: a client that waits for 100 gets it when its body is wanted, and only then.
func testContinue(t *testing.T, s *suite) {
	for _, tt := range []struct {
		name, query string
		ahead, size int
		want        bool
	}{
		{"small", "read=100", 0, 5, true},
		{"small, not read", "never", 0, 5, true}, // the read-ahead takes it
		{"large", "read=1000", 0, 100_000, true},
		{"large, not read", "never", 0, 100_000, true},
		{"no read-ahead", "read=1000", -1, 100_000, true},
		{"no read-ahead, not read", "never", -1, 100_000, false},
		{"empty", "read=100", 0, 0, false},
	} {
		srv := s.serve(t, "body", executor.Options{ReadAhead: tt.ahead})
		c := srv.dial()
		fmt.Fprintf(c, "POST /app.dll?%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", tt.query, tt.size)
		first := make([]byte, len("HTTP/1.1 100"))
		if _, err := io.ReadFull(c, first); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		asked := string(first) == "HTTP/1.1 100"
		if asked != tt.want {
			t.Errorf("%s: first answer %q, want 100 %v", tt.name, first, tt.want)
		}
		if asked {
			c.Write(make([]byte, tt.size)) // an extension that does not read may be done before
		}
		rest, _ := io.ReadAll(c)
		if all := string(first) + string(rest); strings.Count(all, "HTTP/1.1 200 OK") != 1 || strings.Count(all, "HTTP/1.1 100") > 1 {
			t.Errorf("%s: %q", tt.name, all)
		}
		c.Close()
	}
}

// testBrokenBody: FALSE, not "TRUE with 0 bytes", when the body ends too early.
func testBrokenBody(t *testing.T, s *suite) {
	for _, tt := range []struct{ name, head, body, want string }{
		{"close within a known length", "Content-Length: 100000\r\n", strings.Repeat("x", 60_000), "10054"},
		{"close at the read-ahead's end", "Content-Length: 100000\r\n", strings.Repeat("x", 48<<10), "10054"},
		{"close within a chunk", "Transfer-Encoding: chunked\r\n", "fffff\r\n" + strings.Repeat("x", 60_000), "10054"},
		{"close between chunks", "Transfer-Encoding: chunked\r\n", "f000\r\n" + strings.Repeat("x", 0xf000) + "\r\n", "10054"},
		{"bad chunk", "Transfer-Encoding: chunked\r\n", "f000\r\n" + strings.Repeat("x", 0xf000) + "\r\nno\r\n\r\n", "30"},
	} {
		srv := s.serve(t, "body", executor.Options{})
		file := srv.root + "/error"
		c := srv.dial()
		fmt.Fprintf(c, "POST /app.dll?gone=%s HTTP/1.1\r\nHost: h\r\n%s\r\n%s", file, tt.head, tt.body)
		if tt.want != "30" {
			c.Close()
		}
		if got := waitFile(t, file); got != tt.want {
			t.Errorf("%s: ReadClient failed with %s, want %s", tt.name, got, tt.want)
		}
		c.Close()
	}
	// Within the read-ahead the extension is not called at all.
	srv := s.serve(t, "body", executor.Options{})
	for _, bad := range []string{"Transfer-Encoding: chunked\r\n\r\nno\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n"} {
		if got := srv.raw("POST /app.dll?never HTTP/1.1\r\nHost: h\r\n" + bad); !strings.HasPrefix(got, "HTTP/1.1 400 Bad Request") || !strings.Contains(got, "Connection: close") {
			t.Errorf("bad chunks in the read-ahead: %q", got)
		}
	}
	for _, half := range []string{"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "Content-Length: 5\r\n\r\nhel"} {
		c := srv.dial()
		fmt.Fprint(c, "POST /app.dll?never HTTP/1.1\r\nHost: h\r\n"+half)
		_ = c.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(c)
		c.Close()
		if !strings.HasPrefix(string(got), "HTTP/1.1 400 Bad Request") {
			t.Errorf("half a body in the read-ahead, %q: %q", half, got)
		}
	}
}

// testUnread: what an extension leaves unread is not the next request.
func testUnread(t *testing.T, s *suite) {
	srv := s.serve(t, "body", executor.Options{})
	next := "GET /app.dll?evil HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
	body := strings.Repeat("x", 48<<10) + next
	all := srv.raw(fmt.Sprintf("POST /app.dll?never HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body) +
		"GET /app.dll?read=5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if n := strings.Count(all, "HTTP/1.1 200"); n != 2 || !strings.Contains(all, "total=0 ") {
		t.Errorf("%d answers to two requests: %q", n, all)
	}
	for _, chunks := range []string{"f000\r\n" + strings.Repeat("x", 0xf000) + "\r\nno\r\n\r\n", "f000\r\n" + strings.Repeat("x", 0xf000) + "no\r\n"} {
		for _, how := range []string{"never", "read=100"} {
			all := srv.raw("POST /app.dll?" + how + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + next)
			if n := strings.Count(all, "HTTP/1.1 "); n != 1 || !strings.HasPrefix(all, "HTTP/1.1 200") {
				t.Errorf("%s: %d answers to a request with a broken body: %q", how, n, all)
			}
		}
	}
	rest := srv.raw("POST /app.dll?never HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nf000\r\n" + strings.Repeat("x", 0xf000) +
		"\r\n0\r\n\r\n" + next)
	if n := strings.Count(rest, "HTTP/1.1 200"); n != 2 {
		t.Errorf("%d answers to two requests, the first with unread chunks: %q", n, rest)
	}
	// A client that never sends the rest still gets its response.
	got := srv.raw("POST /app.dll?first-no HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n" + strings.Repeat("x", 48<<10))
	if answer, err := parse(got, "POST"); err != nil || answer.body != "no" {
		t.Errorf("body never sent: %v, %q", err, answer.body)
	}
	if srv.log.Has("panic") {
		t.Error("net/http panicked")
	}
	res, err := srv.try("POST", "/app.dll?never", bytes.NewReader(make([]byte, 8<<20)))
	if err == nil && !strings.HasPrefix(res.Body, "total=8388608 available=49152") {
		t.Errorf("8 MiB left unread: %q", res.Body)
	}
}
