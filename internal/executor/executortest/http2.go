package executortest

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

// testHTTP2: the same responses where net/http frames, and where there is neither a reason nor a Connection field. All requests
// go over one connection, which nothing that an extension says may end.
func testHTTP2(t *testing.T, s *suite) {
	srv := s.serveTLS(t, "play", executor.Options{})
	tr := http2Only()
	defer tr.CloseIdleConnections()
	for i, tt := range []struct {
		method, steps string
		status        int
		header, body  string
	}{
		{"GET", "header=Content-Length: 1\r\nX-A: 1\r\n\r\n | ex= | write=x", 200, "X-A: 1", "x"},
		{"GET", "header=X-Mixed-CASE: 1\r\n\r\n | close= | write=x", 200, "X-Mixed-Case: 1", "x"},
		{"GET", "header=Connection: close\r\nKeep-Alive: 5\r\n\r\n | send= | write=x", 200, "", "x"},
		{"GET", "status=404 Not around | send= | write=x", 404, "", "x"},
		{"GET", "header=Transfer-Encoding: chunked\r\n\r\n | ex= | bytes=5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", 200, "", "hello"},
		{"GET", "split=3 | write=HTTP/1.1 201 Made\r\nConnection: close\r\nX-A: 1\r\n\r\nbody", 201, "X-A: 1", "body"},
		{"GET", "write=<p>page</p>", 200, "Content-Type: text/html", "<p>page</p>"},
		{"GET", "redirect=/x", 302, "Location: /x", "<html>"},
		{"GET", "header=Content-Length: 5\r\n\r\n | ex= | write=hello, world", 200, "", "hello"},
		{"HEAD", "header=Content-Length: 5\r\n\r\n | ex= | write=hello", 200, "Content-Length: 5", ""},
		{"GET", "status=204 | ex= | write=hello", 204, "", ""},
		{"GET", "status=304 | header=ETag: \"1\"\r\n\r\n | ex= | write=hello", 304, "ETag: \"1\"", ""},
		{"GET", "header=Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n | ex=", 200, "Set-Cookie: a=1", ""},
		{"GET", "return=4", 500, "", "error page 500.0"},
		{"GET", "code=404", 404, "", ""},
		{"GET", "return=0", 200, "", ""},
	} {
		res, reused, err := over2(t, tr, tt.method, srv.URL+"/app.dll?"+script(tt.steps), nil)
		if err != nil || res.StatusCode != tt.status || !strings.HasPrefix(res.Body, tt.body) || len(res.Body) != len(tt.body) && tt.status != 302 {
			t.Errorf("%s %q: %v, %v, body %q; want %d and %q", tt.method, tt.steps, err, res.Status, res.Body, tt.status, tt.body)
			continue
		}
		if i > 0 && !reused {
			t.Errorf("%s %q: the connection did not outlive the request before", tt.method, tt.steps)
		}
		name, value, _ := strings.Cut(tt.header, ": ")
		if v := res.Header.Values(name); name != "" && (len(v) == 0 || v[0] != value) {
			t.Errorf("%s %q: header %s is %q, want %q", tt.method, tt.steps, name, v, value)
		}
		if res.Header.Get("Connection") != "" || res.Header.Get("Keep-Alive") != "" || res.Header.Get("Transfer-Encoding") != "" {
			t.Errorf("%s %q: fields of HTTP/1: %v", tt.method, tt.steps, res.Header)
		}
	}
	for _, steps := range []string{
		"header=Content-Length: 5\r\n\r\n | ex= | write=hell",
		"header=Transfer-Encoding: chunked\r\n\r\n | ex= | write=5\r\nhell",
		"header=Transfer-Encoding: chunked\r\n\r\n | ex= | write=nonsense\r\n",
	} {
		if res, _, err := over2(t, tr, "GET", srv.URL+"/app.dll?"+script(steps), nil); err == nil {
			t.Errorf("%q: complete with body %q, want a break", steps, res.Body)
		}
	}
	t.Run("Body", func(t *testing.T) { testHTTP2Body(t, s) })
	t.Run("Progress", func(t *testing.T) { testHTTP2Progress(t, s) })
}

func testHTTP2Body(t *testing.T, s *suite) {
	srv := s.serveTLS(t, "body", executor.Options{})
	tr := http2Only()
	defer tr.CloseIdleConnections()
	data, _ := noise(300_001)
	for _, tt := range []struct{ query, body, want string }{
		{"read=1000", string(data), "total=300001 available=49152 after=0 read=250849 sum="},
		{"never", string(data), "total=300001 available=49152 after=0 read=0 "},
		{"read=10", "hello", "total=5 available=5 after=0 read=0 "},
		{"first", string(data), string(data)},
	} {
		res, _, err := over2(t, tr, "POST", srv.URL+"/app.dll?"+tt.query, strings.NewReader(tt.body))
		if err != nil || !strings.HasPrefix(res.Body, tt.want) {
			t.Errorf("%s: %v, %.100q, want %.100q", tt.query, err, res.Body, tt.want)
		}
	}
	res, _, err := over2(t, tr, "POST", srv.URL+"/app.dll?read=1000", io.MultiReader(strings.NewReader("hello")))
	if err != nil || !strings.HasPrefix(res.Body, "total=5 available=5 ") {
		t.Errorf("small body of unknown length: %v, %q", err, res.Body)
	}
	// A client that takes its request back while the extension reads, or writes.
	file := srv.root + "/error"
	body, in := io.Pipe()
	go func() {
		in.Write(data[:60_000])
		in.CloseWithError(errors.New("changed my mind"))
	}()
	if _, _, err := over2(t, tr, "POST", srv.URL+"/app.dll?gone="+file, body); err == nil {
		t.Error("a request whose body failed was answered")
	}
	if got := waitFile(t, file); got != "10054" {
		t.Errorf("ReadClient of a request that was reset failed with %s, want 10054", got)
	}
}

// testHTTP2Progress is testProgress, and then the client resets the stream.
func testHTTP2Progress(t *testing.T, s *suite) {
	srv := s.serveTLS(t, "play", executor.Options{})
	tr := http2Only()
	defer tr.CloseIdleConnections()
	file := srv.root + "/go-on"
	req, err := http.NewRequest("GET", srv.URL+"/app.dll?"+script("send= | write=first | wait="+file+" | write=last"), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, len("first"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "last" {
		t.Errorf("rest %q, %v", rest, err)
	}

	bulk := s.serveTLS(t, "bulk", executor.Options{})
	file = bulk.root + "/error"
	req, err = http.NewRequest("GET", bulk.URL+"/app.dll?gone="+file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err = tr.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(res.Body, make([]byte, 100_000))
	res.Body.Close()
	if got := waitFile(t, file); got != "10054" {
		t.Errorf("WriteClient to a stream that was reset failed with %s, want 10054", got)
	}
}

// http2Only is a client that speaks nothing else.
func http2Only() *http.Transport {
	tr := &http.Transport{
		DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols),
		ResponseHeaderTimeout: 30 * time.Second,
	}
	tr.Protocols.SetHTTP2(true)
	return tr
}

// over2 sends one request and tells whether it went over a connection that was there already.
func over2(t *testing.T, tr *http.Transport, method, url string, body io.Reader) (_ response, reused bool, _ error) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
	res, err := tr.RoundTrip(req.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
	if err != nil {
		return response{Response: &http.Response{}}, reused, err
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("%s %s over %s, want HTTP/2", method, url, res.Proto)
	}
	b, err := io.ReadAll(res.Body)
	return response{res, string(b)}, reused, err
}
