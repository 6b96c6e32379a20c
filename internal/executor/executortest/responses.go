package executortest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

func testResponses(t *testing.T, s *suite) {
	t.Run("Heads", func(t *testing.T) { testHeads(t, s) })
	t.Run("Refused", func(t *testing.T) { testRefusedHeads(t, s) })
	t.Run("Ways", func(t *testing.T) { testWays(t, s) })
	t.Run("Bodiless", func(t *testing.T) { testBodiless(t, s) })
	t.Run("StatusCode", func(t *testing.T) { testStatusCode(t, s) })
	t.Run("Redirect", func(t *testing.T) { testRedirect(t, s) })
	t.Run("Interim", func(t *testing.T) { testInterim(t, s) })
}

// headTests: what the status and header texts mean; isapi.ParseHead has the rules.
var headTests = []struct {
	steps  string // without the header call
	line   string // after HTTP/1.1
	header string // "Name: value", one a line, that must be there once each
	body   string
}{
	{"write=x", "200 OK", "", "x"},
	{"status= | write=x", "200 OK", "", "x"},
	{"status=302", "302 Found", "", ""},
	{"status=200", "200 OK", "", ""},
	{"status=299", "299 status code 299", "", ""},
	{"status=200 OK | header=X-A: 1\r\n\r\n | write=x", "200 OK", "X-A: 1", "x"},
	{"status=500 Failed to open thread token", "500 Failed to open thread token", "", ""},
	{"status=404 Nicht gefunden: \xe4", "404 Nicht gefunden: \xe4", "", ""},
	{"status=401 | header=WWW-Authenticate: Basic realm=\"x\"\r\n\r\n", "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"", ""},
	{"status=200 All fine", "200 All fine", "", ""},
	{"status=HTTP/1.1 200 OK", "200 OK", "", ""},
	{"status=HTTP/1.0 403 No", "403 No", "", ""},
	{"status=Connection:Keep-Alive", "200 OK", "", ""},
	{"status=X-A: 1 | header=X-B: 2\r\n\r\n", "200 OK", "X-A: 1\nX-B: 2", ""},
	{"status=X-A: 1\r\nX-B: 2\r\n\r\nbody", "200 OK", "X-A: 1\nX-B: 2", "body"},
	{"counted= | status=201 Made | header=X-A: 1\r\n\r\n", "201 Made", "X-A: 1", ""},
	{"header=X-A: 1\r\n", "200 OK", "X-A: 1", ""},
	{"header=X-A: 1", "200 OK", "X-A: 1", ""},
	{"header=X-A: 1\nX-B: 2\n\nbody", "200 OK", "X-A: 1\nX-B: 2", "body"},
	{"header=X-A : 1\r\nX-B\t:2\r\n\r\n", "200 OK", "X-A: 1\nX-B: 2", ""},
	{"header=X-A:\r\n\r\n", "200 OK", "X-A: ", ""},
	{"header=X-A: 1\r\n  2\r\n\r\n", "200 OK", "X-A: 1 2", ""},
	{"header=Status: 404 Not Here\r\nX-A: 1\r\n\r\n", "404 Not Here", "X-A: 1", ""},
	{"status=201 | header=Status: 404 Not Here\r\n\r\n", "201 Created", "", ""},
	{"header=HTTP/1.1 410 Away\r\nX-A: 1\r\n\r\n", "410 Away", "X-A: 1", ""},
	{"header=X-A: 1\r\n\r\nhello, | write= world", "200 OK", "X-A: 1", "hello, world"},
	{"header=Server: mine\r\nDate: then\r\nContent-Type: a/b\r\n\r\n", "200 OK", "Server: mine\nDate: then\nContent-Type: a/b", ""},
	{"header=content-type: a/b\r\nSERVER: mine\r\n\r\n", "200 OK", "Content-Type: a/b\nServer: mine", ""},
	{"header=\r\n\r\nbody", "200 OK", "", "\r\nbody"},
	{"header=\r\nbody", "200 OK", "", "body"},
}

func testHeads(t *testing.T, s *suite) {
	p := s.player(t)
	for _, way := range []string{"send", "ex", "close", "transmit"} {
		for _, tt := range headTests {
			steps, body, writes := strings.Cut(tt.steps, " | write=")
			if !strings.Contains(tt.steps, "=") || strings.HasPrefix(tt.steps, "write=") {
				steps, body, writes = "split=0", strings.TrimPrefix(tt.steps, "write="), true
			}
			if way == "transmit" && (!strings.Contains(steps, "header=") || strings.Contains(steps, "\x00")) {
				continue // it has no form without header text
			}
			steps += " | " + way + "="
			if writes {
				steps += " | write=" + body
			}
			got := p.play(steps)
			if want := "HTTP/1.1 " + tt.line; got.line != want || got.body != tt.body {
				t.Errorf("%q: %q, body %q; want %q, %q", steps, got.line, got.body, want, tt.body)
			}
			if got.header.Get("Date") == "" || strings.Trim(got.notes, "0 ") != "" {
				t.Errorf("%q: Date %q, calls returned %q; want a date, and 0 only", steps, got.header.Get("Date"), got.notes)
			}
			for line := range strings.SplitSeq(tt.header, "\n") {
				name, value, _ := strings.Cut(line, ": ")
				if v := got.header.Values(name); name != "" && (len(v) != 1 || v[0] != value) {
					t.Errorf("%q: header %s is %q, want %q once", steps, name, v, value)
				}
			}
			if ct := got.header.Values("Content-Type"); len(ct) > 0 && !strings.Contains(tt.header, "Content-Type") {
				t.Errorf("%q: Content-Type %q appeared from nowhere", steps, ct)
			}
		}
	}
}

// refusedHeads never reach the client: the call is FALSE 87, and the extension may try again.
var refusedHeads = []string{
	"status=hello",
	"status=99 Low",
	"status=600 High",
	"status=2000 Long",
	"status=20",
	"status=-20 Odd",
	"status=200 OK\r\nX-Evil: 1 | header=X-A: 1\r\n\r\n",
	"status=200 OK\nX-Evil: 1 | header=X-A: 1\r\n\r\n",
	"status=200 OK\rX-Evil: 1 | header=X-A: 1\r\n\r\n",
	"status=200 O\x01K",
	"header=X-A: 1\rX-Evil: 1\r\n\r\n",
	"header=X-A: a\x0bb\r\n\r\n",
	"header=X-A: a\x7fb\r\n\r\n",
	"header=X-A: a\r\n b\rX-Evil: 1\r\n\r\n",
	"header=X A: 1\r\n\r\n",
	"header=X-A: 1\r\nno colon\r\n\r\n",
	"header=X-A: 1\r\n: no name\r\n\r\n",
	"header=Status: none\r\n\r\n",
	"header=X\xe4: 1\r\n\r\n",
}

func testRefusedHeads(t *testing.T, s *suite) {
	p := s.player(t)
	for _, steps := range refusedHeads {
		for _, way := range []string{"send", "ex"} {
			all := steps + " | " + way + "= | status=200 | header=X-Good: 1\r\n\r\n | send= | write=ok"
			got := p.play(all)
			if got.line != "HTTP/1.1 200 OK" || got.body != "ok" || got.header.Get("X-Good") != "1" || got.notes != "87 0 0" {
				t.Errorf("%q: %q, body %q, %v, calls %q", all, got.line, got.body, got.header, got.notes)
			}
			if got.header.Get("X-Evil") != "" {
				t.Errorf("%q: header injected: %v", all, got.header)
			}
		}
	}
}

func testWays(t *testing.T, s *suite) {
	p := s.player(t)
	for _, tt := range []struct{ steps, line, body, notes string }{
		// the header call is once per request
		{"status=201 | send= | status=404 | send= | write=x", "201 Created", "x", "0 87 0"},
		{"status=201 | ex= | status=404 | ex= | close= | redirect=/x | write=x", "201 Created", "x", "0 87 87 87 0"},
		{"header=\r\n | transmit= | status=404 | send= | write=x", "200 OK", "x", "0 87 0"},
		{"write=<b>x</b> | status=404 | send=", "200 OK", "<b>x</b>", "0 87"},
		{"nothing= | status=404 | send= | nothing= | write=x | nothing=", "404 Not Found", "x", "0 0 0 0 0"},
		// nothing at all
		{"split=0", "200 OK", "", ""},
		{"nothing=", "200 OK", "", "0"},
		// flags of WriteClient
		{"send= | nodelay=a | write=b | flush=1 | write=c | flush=0 | bytes=de", "200 OK", "abcde", "0 0 0 0 0 0 0"},
		// arguments that are none
		{"send= | bad=write buffer | bad=write wild | bad=write size | bad=write most | bad=read size | bad=read most | bad=conn | bad=other | write=x",
			"200 OK", "x", "0 87 87 87 87 87 87 87 87 0"},
		// a NUL is a byte like any other
		{"send= | write=a\x00b", "200 OK", "a\x00b", "0 0"},
	} {
		got := p.play(tt.steps)
		if got.line != "HTTP/1.1 "+tt.line || got.body != tt.body || got.notes != tt.notes {
			t.Errorf("%q: %q, body %q, calls %q; want %q, %q, %q", tt.steps, got.line, got.body, got.notes, tt.line, tt.body, tt.notes)
		}
		if want := int64(len(tt.body)); got.result.Bytes != want || got.result.Broken || got.result.Fault != nil {
			t.Errorf("%q: result %+v, want %d bytes, transmitted", tt.steps, got.result, want)
		}
	}
}

// testBodiless: extensions write a body where there is none; the writes succeed and the bytes are dropped.
func testBodiless(t *testing.T, s *suite) {
	p := s.player(t)
	for _, tt := range []struct{ method, steps, line, length string }{
		{"HEAD", "header=Content-Length: 5\r\n\r\n | send= | write=hello", "200 OK", "5"},
		{"HEAD", "send= | write=hello", "200 OK", ""},
		{"HEAD", "header=Content-Length: 5\r\n\r\nhello | ex=", "200 OK", "5"},
		{"HEAD", "header=Transfer-Encoding: chunked\r\n\r\n | ex= | write=5\r\nhello\r\n0\r\n\r\n", "200 OK", ""},
		{"HEAD", "write=HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 OK", "5"},
		{"HEAD", "redirect=http://h/x", "302 Found", ""},
		{"HEAD", "return=4", "500 Internal Server Error", ""},
		{"GET", "status=204 | header=Content-Length: 5\r\n\r\n | send= | write=hello", "204 No Content", ""},
		{"GET", "status=204 | ex= | write=hello", "204 No Content", ""},
		{"GET", "status=304 | header=ETag: \"1\"\r\nContent-Length: 5\r\n\r\n | send= | write=hello", "304 Not Modified", ""},
		{"GET", "status=304 | send= | write=hello", "304 Not Modified", ""},
		{"GET", "code=304", "304 Not Modified", ""},
	} {
		got := p.request(tt.method, tt.steps, "1.1")
		if got.line != "HTTP/1.1 "+tt.line || got.body != "" || strings.Trim(got.notes, "0 ") != "" {
			t.Errorf("%s %q: %q, body %q, calls %q", tt.method, tt.steps, got.line, got.body, got.notes)
		}
		if l := got.header.Get("Content-Length"); l != tt.length {
			t.Errorf("%s %q: Content-Length %q, want %q", tt.method, tt.steps, l, tt.length)
		}
		if got.result.Bytes != 0 || got.result.Broken {
			t.Errorf("%s %q: result %+v, want 0 bytes, transmitted", tt.method, tt.steps, got.result)
		}
	}
	testBodilessKeepAlive(t, s)
}

// testBodilessKeepAlive: bytes that were not dropped would be taken for the next response.
func testBodilessKeepAlive(t *testing.T, s *suite) {
	p := s.player(t)
	head := "HEAD /app.dll?" + script("header=Content-Length: 5\r\n\r\n | ex= | write=hello") + " HTTP/1.1\r\nHost: h\r\n\r\n"
	none := "GET /app.dll?" + script("status=204 | ex= | write=hello") + " HTTP/1.1\r\nHost: h\r\n\r\n"
	last := "GET /app.dll?" + script("status=202 | ex= | write=end") + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
	got := p.raw(head + none + last)
	if n := strings.Count(got, "HTTP/1.1 "); n != 3 || strings.Contains(got, "hello") || !strings.Contains(got, "202 Accepted") {
		t.Errorf("HEAD, 204 and one more on a connection: %q", got)
	}
}

func testStatusCode(t *testing.T, s *suite) {
	p := s.player(t)
	for _, tt := range []struct {
		steps string
		want  int
	}{
		{"code=404", 404},
		{"code=503", 503},
		{"code=200", 200},
		{"code=0", 200},
		{"code=4", 200}, // HSE_STATUS_ERROR, as pywin32 stores
		{"code=100", 200},
		{"code=199", 200},
		{"code=600", 200},
		{"code=4294967295", 200},
		{"code=404 | status=201 | send=", 201},
		{"status=201 | send= | code=404", 201},
		{"code=404 | send=", 200},
		{"code=404 | write=<p>body</p>", 200},
		{"code=404 | return=4", 500},
		{"redirect=/x | code=404", 302},
	} {
		got := p.play(tt.steps)
		if got.result.Status != tt.want || got.line[9:12] != strconv.Itoa(tt.want) {
			t.Errorf("%q: %q, result %d, want %d", tt.steps, got.line, got.result.Status, tt.want)
		}
	}
}

func testRedirect(t *testing.T, s *suite) {
	p := s.player(t)
	long := "http://h/" + strings.Repeat("x", 5000)
	for _, tt := range []struct{ steps, location, notes string }{
		{"redirect=http://other/a?b=c&d", "http://other/a?b=c&d", "0"},
		{"redirect=/error.html", "/error.html", "0"},
		{"redirect=" + long, long, "0"},
		{"redirect=/x | write=dropped | nothing= | status=200 | send= | redirect=/y", "/x", "0 0 0 87 87"},
		{"redirect= | redirect=/a\r\nX-Evil: 1 | redirect=/a\nb | redirect=/a\x01 | redirect=/x", "/x", "87 87 87 87 0"},
		{"redirect=/x | return=4", "/x", "0"},
	} {
		got := p.play(tt.steps)
		if got.line != "HTTP/1.1 302 Found" || got.header.Get("Location") != tt.location || got.notes != tt.notes || got.header.Get("X-Evil") != "" {
			t.Errorf("%.200q: %q %.200v, calls %q; want location %.100q, calls %q", tt.steps, got.line, got.header, got.notes, tt.location, tt.notes)
		}
		if strings.Contains(got.body, "dropped") || !strings.Contains(got.body, "Object moved") {
			t.Errorf("%.200q: body %.200q", tt.steps, got.body)
		}
	}
	if got := p.play("redirect=/\"><script>"); strings.Contains(got.body, "<script>") {
		t.Errorf("the redirect's page does not escape the URL: %q", got.body)
	}
	srv := s.serve(t, "play", executor.Options{})
	if res := srv.do("POST", "/app.dll?"+script("redirect=/x"), strings.NewReader("body")); res.StatusCode != 302 {
		t.Errorf("redirect of a POST: %s", res.Status)
	}
}

// testInterim: a 1xx head is not the response yet.
func testInterim(t *testing.T, s *suite) {
	p := s.player(t)
	hints := "status=103 Early Hints | header=Link: </a>; rel=preload\r\n\r\n | send= | status=200 | header=X-A: 1\r\n\r\n | send= | write=x"
	if got := p.raw("GET /app.dll?" + script(hints) + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n") || strings.Count(got, "Link:") != 1 {
		t.Errorf("103 and 200: %q", got)
	}
	if got := p.raw("GET /app.dll?" + script(hints) + " HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 200 OK\r\n") {
		t.Errorf("103 to an HTTP/1.0 client, which does not know 1xx: %q", got)
	}
	p.n = 2
	if got := p.play("status=100 Continue | send= | status=101 Switch | send= | status=201 | send="); got.line != "HTTP/1.1 201 Created" || got.notes != "0 87 0" {
		t.Errorf("100, 101, 201: %q, calls %q", got.line, got.notes)
	}
}
