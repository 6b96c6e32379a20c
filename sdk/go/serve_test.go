package isapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestDescription(t *testing.T) {
	if got := startHost(t).ex.Description(); got != "probe" {
		t.Errorf("description %q, want %q", got, "probe")
	}
}

func TestRequest(t *testing.T) {
	h := startHost(t)
	type seen struct {
		Method, Path, RawPath, Query, RequestURI, Proto, Host, RemoteAddr string
		Major                                                             int
		Header                                                            http.Header
		Length                                                            int64
		TLS                                                               bool
	}
	ask := func(path string) (s seen) {
		_, text := h.do(t, "PROPFIND", path, nil, "X-Two", "1", "X-Two", "2")
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		return s
	}
	s := ask("/app.so/request?a=b%20c&d")
	want := seen{Method: "PROPFIND", Path: "/app.so/request", Query: "a=b%20c&d", RequestURI: "/app.so/request?a=b%20c&d",
		Proto: "HTTP/1.1", Host: strings.TrimPrefix(h.URL, "http://"), RemoteAddr: s.RemoteAddr, Major: 1, Header: s.Header}
	if got, want := fmt.Sprintf("%+v", s), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("the handler saw\n%s\nwant\n%s", got, want)
	}
	if ip, _, err := net.SplitHostPort(s.RemoteAddr); err != nil || !net.ParseIP(ip).IsLoopback() {
		t.Errorf("RemoteAddr %q, want a loopback address with port", s.RemoteAddr)
	}
	if v := strings.Join(s.Header.Values("X-Two"), ","); v != "1,2" {
		t.Errorf("header X-Two = %q, want both values", v)
	}
	if s.Header.Get("Host") != "" {
		t.Error("Host is among the headers; it belongs to Request.Host")
	}
	if s := ask("/app.so/pathinfo/x%20y?q"); s.Path != "/pathinfo/x y" || s.Query != "q" {
		t.Errorf("PathInfo: path %q, query %q, want %q and %q", s.Path, s.Query, "/pathinfo/x y", "q")
	}
}

func TestBody(t *testing.T) {
	h := startHost(t)
	for _, size := range []int{0, 1, 999, 48 << 10, 48<<10 + 1, 1 << 20} {
		for _, chunked := range []bool{false, true} {
			data := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			var body io.Reader = bytes.NewReader(data)
			length := fmt.Sprint(size)
			if chunked {
				body = struct{ io.Reader }{body}
			}
			_, got := h.do(t, http.MethodPost, "/app.so/body", body)
			want := fmt.Sprintf("read=%d crc=%d err=<nil>", size, crc32.ChecksumIEEE(data))
			if !strings.HasSuffix(got, want) || !chunked && !strings.HasPrefix(got, "length="+length+" ") {
				t.Errorf("size %d, chunked %t: %q, want %q", size, chunked, got, want)
			}
		}
	}
}

func TestAnswer(t *testing.T) {
	h := startHost(t)
	tests := []struct {
		name, method, query string
		status, length      int
		contentLength       int64
		header, value       string
	}{
		{"empty", "GET", "", 200, 0, 0, "", ""},
		{"short", "GET", "size=100&step=7", 200, 100, 100, "Content-Type", "text/plain; charset=utf-8"},
		{"long", "GET", "size=100000&step=7", 200, 100000, -1, "", ""},
		{"one big write", "GET", "size=100000&step=100000", 200, 100000, -1, "Content-Type", "text/plain; charset=utf-8"},
		{"announced", "GET", "size=100000&step=9999&h=Content-Length:100000", 200, 100000, 100000, "", ""},
		{"beyond the announced", "GET", "size=11&step=1&h=Content-Length:10", 200, 10, 10, "", ""},
		{"own type", "GET", "size=1&h=Content-Type:image/png", 200, 1, 1, "Content-Type", "image/png"},
		{"status", "GET", "status=404&size=5", 404, 5, 5, "", ""},
		{"status without a text", "GET", "status=299&size=5", 299, 5, 5, "", ""},
		{"no content", "GET", "status=204&size=5", 204, 0, 0, "", ""},
		{"not modified", "GET", "status=304&size=5&h=Etag:x", 304, 0, 0, "Etag", "x"},
		{"informational is ignored", "GET", "status=103&size=5", 200, 5, 5, "", ""},
		{"head", "HEAD", "size=100&step=7", 200, 0, 100, "", ""},
		{"own framing is dropped", "GET", "size=3&h=Transfer-Encoding:chunked", 200, 3, 3, "", ""},
		{"header values hold no lines", "GET", "h=X:a%0d%0aY:b", 200, 0, 0, "X", "a  Y:b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := h.do(t, tt.method, "/app.so/answer?"+tt.query, nil)
			if resp.StatusCode != tt.status || len(body) != tt.length || strings.Trim(body, "x") != "" {
				t.Errorf("status %d, %d bytes; want %d, %d", resp.StatusCode, len(body), tt.status, tt.length)
			}
			// Which framing the host finds for a body without a length is its own affair.
			if tt.contentLength >= 0 && resp.ContentLength > 0 && resp.ContentLength != tt.contentLength {
				t.Errorf("Content-Length %d, want %d", resp.ContentLength, tt.contentLength)
			}
			if tt.header != "" && resp.Header.Get(tt.header) != tt.value {
				t.Errorf("%s: %q, want %q", tt.header, resp.Header.Get(tt.header), tt.value)
			}
		})
	}
}

func TestPanicBeforeTheResponse(t *testing.T) {
	h := startHost(t)
	for _, kind := range []string{"value", "nil", "abort"} {
		resp, body := h.do(t, http.MethodGet, "/app.so/panic?kind="+kind, nil)
		if resp.StatusCode != 500 || strings.Contains(body, "lost") || resp.Header.Get("X-Lost") != "" {
			t.Errorf("panic %q: status %d, headers %v, body %q; want a 500 with nothing of the lost response",
				kind, resp.StatusCode, resp.Header, body)
		}
	}
	if got := h.get(t, "/app.so/answer?size=3"); got != "xxx" {
		t.Errorf("after the panics: %q, want a normal answer", got)
	}
}

func TestPanicInTheResponse(t *testing.T) {
	h := startHost(t)
	resp, err := h.Client().Get(h.URL + "/app.so/panic?sent=1")
	if err != nil {
		return // broken before the client saw the header: a break, too
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the client took %q for a whole response", body)
	}
}

func TestShortOfTheAnnouncedLength(t *testing.T) {
	h := startHost(t)
	resp, err := h.Client().Get(h.URL + "/app.so/answer?size=5&h=Content-Length:10")
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the client took %q for a whole response", body)
	}
}

// The second line is only written when the test has read the first.
func TestFlush(t *testing.T) {
	h := startHost(t)
	resp, err := h.Client().Get(h.URL + "/app.so/flush")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); line != "one\n" {
		t.Fatalf("first line %q, %v", line, err)
	}
	h.get(t, "/app.so/release")
	if rest, err := io.ReadAll(lines); string(rest) != "two\n" || err != nil {
		t.Fatalf("rest %q, %v", rest, err)
	}
}

func TestClientGone(t *testing.T) {
	h := startHost(t)
	resp, err := h.Client().Get(h.URL + "/app.so/endless")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got, want := h.get(t, "/app.so/ended"), "errno=true sticky=true"; got != want {
		t.Errorf("after the client left: %q, want %q", got, want)
	}
}

func TestAfterTheRequest(t *testing.T) {
	h := startHost(t)
	h.do(t, http.MethodPost, "/app.so/leak", strings.NewReader("body"))
	if got, want := h.get(t, "/app.so/leaked"), "variable=true body=true context=true"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestControlBlock(t *testing.T) {
	h := startHost(t)
	long := strings.Repeat("v", 5000)
	_, got := h.do(t, http.MethodGet, "/app.so/block?do=variable&arg=http_x_long", nil, "X-Long", long)
	if want := long + " missing=false"; got != want {
		t.Errorf("a long variable: %d bytes, want %d", len(got), len(want))
	}
	for query, want := range map[string]string{
		"do=variable&arg=SCRIPT_NAME": "/app.so missing=false",
		"do=variable&arg=HTTP_X_NONE": " missing=true",
		"do=map&arg=/some/where.txt":  filepath.Join(h.root, "some/where.txt") + " err=<nil>",
		"do=log&arg=order%3d17%26vip": "err=<nil>",
	} {
		if got := h.get(t, "/app.so/block?"+query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestAppendLog(t *testing.T) {
	h := startHost(t)
	h.get(t, "/app.so/block?do=log&arg=order-17")
	if got := h.last().LogQuery; !strings.Contains(got, "order-17") {
		t.Errorf("logged query %q, want order-17 in it", got)
	}
}

func TestCount(t *testing.T) {
	h := startHost(t)
	for _, c := range []struct{ query, said, counted string }{
		{"arg=go_orders", "err=<nil>", `go_orders[]+2.5`},
		{"arg=go_sold&label=to&label=caf%c3%a9&label=by&label=", "err=<nil>", `go_sold["by" "" "to" "café"]+2.5`},
		{"arg=Bad", `err=count "Bad": isapi: invalid parameter`, ""},
		{"arg=go_x&label=odd", `err=count "go_x": labels are not at most four pairs of name and value`, ""},
		{"arg=go_x&label=a&label=b%00c", `err=count "go_x": labels are not at most four pairs of name and value`, ""},
		{"arg=go_x" + strings.Repeat("&label=a&label=b", 5), `err=count "go_x": labels are not at most four pairs of name and value`, ""},
	} {
		if got := h.get(t, "/app.so/block?do=count&"+c.query); !strings.HasPrefix(got, c.said) {
			t.Errorf("%s: %q, want %q", c.query, got, c.said)
		}
		if got := counted.take(); got != c.counted {
			t.Errorf("%s: counted %q, want %q", c.query, got, c.counted)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	h := startHost(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 25 {
				data := bytes.Repeat([]byte{byte('a' + i)}, n*1000)
				resp, err := h.Client().Post(h.URL+"/app.so/body", "", bytes.NewReader(data))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				want := fmt.Sprintf("length=%d read=%d crc=%d err=<nil>", len(data), len(data), crc32.ChecksumIEEE(data))
				if err != nil || string(got) != want {
					t.Errorf("client %d, request %d: %q, %v; want %q", i, n, got, err, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestOnTerminate(t *testing.T) {
	h := newHost(t, open(t))
	mark := filepath.Join(t.TempDir(), "mark")
	h.get(t, "/app.so/terminate?mark="+mark)
	if _, err := os.Stat(mark); err == nil {
		t.Fatal("the shutdown function ran before TerminateExtension")
	}
	closeExecutor(t, h.ex)
	if text, err := os.ReadFile(mark); string(text) != "terminated" {
		t.Errorf("mark %q, %v; want the shutdown function to have run", text, err)
	}
}
