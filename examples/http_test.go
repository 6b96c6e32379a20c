package examples_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid"
	"github.com/isapid/isapid/internal/testext"
)

// serve runs an example behind a server and answers the server's URL.
func serve(t *testing.T, name string, options ...isapid.Option) string {
	t.Helper()
	e, err := isapid.Open(testext.Example(t, name), options...)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(e)
	t.Cleanup(func() {
		s.Close()
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

type answer struct {
	status int
	header http.Header
	length int64 // as declared; -1: not
	body   string
}

func do(t *testing.T, method, url, contentType string, body io.Reader) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "<test>")
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, response.ContentLength, string(data)}
}

func get(t *testing.T, url string) answer {
	t.Helper()
	return do(t, "GET", url, "", nil)
}

func wantBody(t *testing.T, a answer, status int, parts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status is %d, want %d", a.status, status)
	}
	for _, part := range parts {
		if !strings.Contains(a.body, part) {
			t.Errorf("no %q in\n%s", part, a.body)
		}
	}
}

func digits(n int) string {
	var b strings.Builder
	for _, c := range fmt.Sprintf("%06d", n) {
		fmt.Fprintf(&b, `<td bgcolor=black><font face="Courier New" size=6 color="#00ff00"><b>%c</b></font></td>`, c)
	}
	return b.String()
}

func TestCounter(t *testing.T) {
	url := serve(t, "counter")
	wantBody(t, get(t, url+"/guestbook"), 200, "Welcome to /guestbook", digits(1))
	a := get(t, url+"/guestbook")
	wantBody(t, a, 200, digits(2), "<td>/guestbook</td><td align=right>2</td>")
	if a.length != int64(len(a.body)) {
		t.Errorf("declared length is %d of %d", a.length, len(a.body))
	}
	wantBody(t, get(t, url+"/%3Cscript%3E"), 200, "Welcome to /_script_ ")
	wantBody(t, get(t, url+"/favicon.ico"), 404)
	if a := get(t, url+"/other"); strings.Contains(a.body, "favicon") {
		t.Error("the icon was counted")
	}
}

func TestCounterCountsEveryVisitor(t *testing.T) {
	const clients, visits = 8, 25
	url := serve(t, "counter")
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range visits {
				response, err := http.Get(url + "/busy")
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		})
	}
	wg.Wait()
	http.DefaultClient.CloseIdleConnections()
	wantBody(t, get(t, url+"/busy"), 200, digits(clients*visits+1))
}

func TestCounterWithTooManyPages(t *testing.T) {
	url := serve(t, "counter")
	for i := range 30 { // of 24, with the longest name there is
		wantBody(t, get(t, fmt.Sprintf("%s/%02d%s", url, i, strings.Repeat("x", 60))), 200)
	}
	wantBody(t, get(t, url+"/another"), 200, "<td>all the rest</td><td align=right>8</td>")
}

func TestVariables(t *testing.T) {
	url := serve(t, "variables")
	a := get(t, url+"/some/path?a=%20b")
	wantBody(t, a, 200, "cbSize 192", "PATH_INFO              /some/path\n", "QUERY_STRING           a=%20b\n",
		"REQUEST_METHOD         GET\n", "HTTP_USER_AGENT:<test>", "User-Agent: <test>")
	long := strings.Repeat("q", 3000) // longer than the first buffer
	wantBody(t, get(t, url+"/?"+long), 200, long+"\n")
	wantBody(t, do(t, "POST", url+"/", "text/x-odd", strings.NewReader("four")), 200, "cbTotalBytes 4, cbAvailable 4", "content type \"text/x-odd\"")
}

func TestVector(t *testing.T) {
	a := get(t, serve(t, "vector"))
	if want := "the whole file: abcdefghijklmnopqrstuvwxyz\nfive of its bytes: klmno\n"; a.status != 200 || a.body != want || a.length != int64(len(want)) {
		t.Errorf("got %d, %d bytes declared, %q, want %q", a.status, a.length, a.body, want)
	}
}

func TestDownload(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"data/song.mid": "MThd and so on", "data/empty": "", "secret": "no"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	generated := make([]byte, 1<<20)
	for i := range generated {
		generated[i] = byte(i)
	}
	url := serve(t, "download", isapid.WithRoot(root))
	for _, c := range []struct {
		query  string
		status int
		body   string
	}{
		{"", 200, string(generated)},
		{"?song.mid", 200, "MThd and so on"},
		{"?empty", 200, ""},
		{"?none", 404, "404 Not Found"},
		{"?../secret", 400, "400 Bad Request"},
		{"?..", 400, "400 Bad Request"},
		{"?a/b", 400, "400 Bad Request"},
	} {
		for _, mode := range []string{"/sync", "/async"} {
			t.Run(mode+c.query, func(t *testing.T) {
				a := get(t, url+mode+c.query)
				if a.status != c.status || a.body != c.body {
					t.Errorf("got %d, %d bytes, want %d, %d bytes", a.status, len(a.body), c.status, len(c.body))
				}
				if a.length != int64(len(c.body)) {
					t.Errorf("declared length is %d, want %d", a.length, len(c.body))
				}
			})
		}
	}
	wantBody(t, get(t, url+"/"), 404)
}

func TestAsync(t *testing.T) {
	url := serve(t, "async")
	for _, lines := range []int{1, 5, 500} {
		var want strings.Builder
		for i := range lines {
			fmt.Fprintf(&want, "line %d of %d\n", i+1, lines)
		}
		if a := get(t, fmt.Sprintf("%s/?%d", url, lines)); a.status != 200 || a.body != want.String() {
			t.Errorf("got %d, %q, want %d lines", a.status, a.body, lines)
		}
	}
	var wg sync.WaitGroup
	for range 16 { // more than it has threads
		wg.Go(func() {
			response, err := http.Get(url + "/?50")
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			if data, err := io.ReadAll(response.Body); err != nil || !strings.HasSuffix(string(data), "line 50 of 50\n") {
				t.Errorf("got %q, %v", data, err)
			}
		})
	}
	wg.Wait()
	http.DefaultClient.CloseIdleConnections()
}

// TestAsyncClientLeaves: a client that goes in the middle costs its own request only, and no thread of the extension.
func TestAsyncClientLeaves(t *testing.T) {
	url := serve(t, "async")
	for range 8 { // twice the threads it has
		response, err := http.Get(url + "/?100000")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(response.Body, make([]byte, 100)); err != nil {
			t.Error(err)
		}
		response.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	wantBody(t, get(t, url+"/?3"), 200, "line 3 of 3\n")
}

func TestCppHello(t *testing.T) {
	url := serve(t, "cpp-hello")
	a := get(t, url+"/")
	wantBody(t, a, 200, "Hello, 127.0.0.1", "&lt;test&gt;")
	if a.length != int64(len(a.body)) {
		t.Errorf("declared length is %d of %d", a.length, len(a.body))
	}
	wantBody(t, do(t, "POST", url+"/", "", strings.NewReader("<Ada>")), 200, "Hello, &lt;Ada&gt;")
	wantBody(t, do(t, "POST", url+"/", "", strings.NewReader(strings.Repeat("x", 1001))), 500)
	if a := get(t, url+"/home"); a.status != 302 || a.header.Get("Location") != "/" {
		t.Errorf("redirect is %d to %q", a.status, a.header.Get("Location"))
	}
	if a := get(t, url+"/boom"); a.status != 500 || strings.Contains(a.body, "somebody") {
		t.Errorf("exception became %d, %q", a.status, a.body)
	}
	wantBody(t, get(t, url+"/"), 200, "Hello")
}

// unsized hides a reader's length, so that the body is sent in chunks.
type unsized struct{ io.Reader }

func sum(name string, data []byte) string {
	return fmt.Sprintf("%s: %d bytes, CRC-32 %08x\n", name, len(data), crc32.ChecksumIEEE(data))
}

func TestUploadRaw(t *testing.T) {
	url := serve(t, "upload")
	data := random(3 << 20)
	for _, n := range []int{0, 1, 48 << 10, 48<<10 + 1, len(data)} {
		for name, body := range map[string]io.Reader{"sized": bytes.NewReader(data[:n]), "chunked": unsized{bytes.NewReader(data[:n])}} {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				if a := do(t, "POST", url, "application/octet-stream", body); a.status != 200 || a.body != sum("body", data[:n]) {
					t.Errorf("got %d, %q, want %q", a.status, a.body, sum("body", data[:n]))
				}
			})
		}
	}
	wantBody(t, get(t, url), 200, "<form")
}

func random(n int) []byte {
	source := rand.NewChaCha8([32]byte{1})
	data := make([]byte, n)
	source.Read(data)
	return data
}

// TestUploadForm sends parts that end and break where a window might, and that hold what looks like a delimiter.
func TestUploadForm(t *testing.T) {
	url := serve(t, "upload")
	tricky := []byte(strings.Repeat("\r\n--bound\r\n-\r\r\n--boundar", 2000))
	for name, parts := range map[string][][]byte{
		"empty":   {{}},
		"one":     {[]byte("hello")},
		"windows": {random(16384 - 100), random(16384), random(16384 + 1), random(16380)},
		"big":     {random(2 << 20), []byte("x")},
		"tricky":  {tricky, []byte("\r\n"), []byte("--"), []byte("\r")},
	} {
		t.Run(name, func(t *testing.T) {
			var body bytes.Buffer
			var want []string
			form := multipart.NewWriter(&body)
			if err := form.SetBoundary("boundary"); err != nil {
				t.Fatal(err)
			}
			for i, data := range parts {
				part, err := form.CreateFormFile("file", fmt.Sprint(i))
				if err != nil {
					t.Fatal(err)
				}
				part.Write(data)
				want = append(want, sum(fmt.Sprintf(`name="file"; filename="%d"`, i), data))
			}
			if err := form.Close(); err != nil {
				t.Fatal(err)
			}
			want = append(want, sum("body", body.Bytes()))
			whole := slices.Clone(body.Bytes())
			for kind, reader := range map[string]io.Reader{"sized": bytes.NewReader(whole), "chunked": unsized{bytes.NewReader(whole)}} {
				if a := do(t, "POST", url, form.FormDataContentType(), reader); a.status != 200 || a.body != strings.Join(want, "") {
					t.Errorf("%s: got %d,\n%s\nwant\n%s", kind, a.status, a.body, strings.Join(want, ""))
				}
			}
			half := whole[:len(whole)-20]
			wantBody(t, do(t, "POST", url, form.FormDataContentType(), bytes.NewReader(half)), 400, "not complete")
		})
	}
}
