package site

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/executor"
)

func TestBuiltinPage(t *testing.T) {
	f := start(t, nil, "")
	resp := f.get("/a.xyz?<script>")
	for _, want := range []string{"<title>404 Not Found</title>", "<p>There is nothing at this address.</p>"} {
		if !strings.Contains(resp.body, want) {
			t.Errorf("page lacks %q:\n%s", want, resp.body)
		}
	}
	if strings.Contains(resp.body, "script") || strings.Contains(resp.body, "xyz") {
		t.Errorf("page repeats the request:\n%s", resp.body)
	}
	if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type: got %q", got)
	}
	if page := string(builtinPage(599, 7)); !strings.Contains(page, "<title>599.7</title>") || !strings.Contains(page, "cannot answer") {
		t.Errorf("page of an unknown status:\n%s", page)
	}
}

func TestErrorPages(t *testing.T) {
	f := start(t, []string{"../404.html", "../4043.txt", "e.dll", "a.xyz", "empty/", "bin/x"}, `
error_pages:
  404: 404.html
  404.3: 4043.txt
  403.14: {path: /e.dll/x, mode: url}
  405: {path: "https://status.example/405", mode: redirect}
`+dllApp)
	tests := []struct {
		method, target    string
		status            int
		contentType, body string
	}{
		{"GET", "/none", 404, "text/html", "../404.html"},
		{"GET", "/bin/x", 404, "text/html", "../404.html"},
		{"GET", "/a.xyz", 404, "text/plain", "../4043.txt"},
		{"HEAD", "/a.xyz", 404, "text/plain", ""},
		{"GET", "/%00", 400, "text/html; charset=utf-8", "*"},
	}
	for _, tt := range tests {
		resp := f.raw(tt.method, tt.target)
		if resp.StatusCode != tt.status || resp.Header.Get("Content-Type") != tt.contentType || tt.body != "*" && resp.body != tt.body {
			t.Errorf("%s %s: got %d %q %q, want %d %q %q", tt.method, tt.target, resp.StatusCode, resp.Header.Get("Content-Type"), resp.body, tt.status, tt.contentType, tt.body)
		}
	}
	resp := f.get("/empty/?a=b", "If-None-Match: *", "Range: bytes=0-1")
	var l landed
	must(t, json.Unmarshal([]byte(resp.body), &l))
	if resp.StatusCode != 403 || l.ScriptName != "/e.dll" || l.PathInfo != "/x" || l.Query != "403;http://shop.example/empty/?a=b" || l.Method != "GET" {
		t.Errorf("page by URL: got %s %+v", resp.Status, l)
	}
	resp = f.raw("PUT", "/empty", "Content-Length: 0")
	if resp.StatusCode != 302 || resp.Header.Get("Location") != "https://status.example/405" || resp.Header.Get("Allow") == "" {
		t.Errorf("page by redirect: got %s %v", resp.Status, resp.Header)
	}
}

// An error page that fails is replaced by the built-in one, whatever way it fails.
func TestErrorPageFails(t *testing.T) {
	f := start(t, []string{"../gone.html", "../big.html", "e.dll", "empty/"}, `
error_pages:
  400: gone.html
  403.14: {path: /none.html, mode: url}
  404: {path: /e.dll, mode: url}
  404.3: big.html
  404.8: {path: /isapid.yaml, mode: redirect}
  404.9: {path: /empty/, mode: url}
  405: {path: /%zz, mode: url}
  500: {path: /e.dll, mode: url}
`+dllApp)
	must(t, os.Remove(filepath.Join(filepath.Dir(f.dir), "gone.html")))
	must(t, os.Truncate(filepath.Join(filepath.Dir(f.dir), "big.html"), maxErrorPage+1))
	must(t, os.WriteFile(filepath.Join(f.dir, "x.xyz"), nil, 0o644))
	f.run = func(w http.ResponseWriter, r *http.Request, _ *executor.Target) {
		w.Header().Set("X-Page", "failed")
		w.WriteHeader(http.StatusBadGateway)
		w.Write([]byte("not for the client"))
	}
	check := func(method, target, want string) {
		t.Helper()
		resp := f.raw(method, target)
		if resp.code() != want || resp.Header.Get("X-Page") != "" || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s %s: got %s %v\n%s\nwant the built-in page %s", method, target, resp.Status, resp.Header, resp.body, want)
		}
	}
	check("GET", "/..", "400")
	check("GET", "/empty/", "403.14")
	check("GET", "/none", "404")
	check("GET", "/x.xyz", "404.3")
	check("GET", "/isapid.yaml", "404.8")
	check("GET", "/.git", "404.9")
	check("PUT", "/empty", "405")
	f.fail = errors.New("out of order")
	check("GET", "/e.dll", "500")
	f.fail = nil
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) { target.Host.Error(w, r, 500, 0) }
	check("GET", "/e.dll", "500")
}

func TestLoadFailure(t *testing.T) {
	f := start(t, []string{"app.dll"}, dllApp)
	f.fail = errors.New("undefined symbol: secret_42")
	for range 3 {
		resp := f.get("/app.dll")
		if resp.code() != "500" || strings.Contains(resp.body, "secret") || strings.Contains(resp.body, f.dir) {
			t.Fatalf("got %s\n%s", resp.Status, resp.body)
		}
	}
	log := f.log.String()
	if strings.Count(log, "secret_42") != 1 || !strings.Contains(log, filepath.Join(f.dir, "app.dll")) {
		t.Errorf("log: want one line with the error and the image, got\n%s", log)
	}
}

func TestFailuresAreReportedOnceAMinute(t *testing.T) {
	var f failures
	start := time.Now()
	for _, tt := range []struct {
		image string
		after time.Duration
		want  bool
	}{
		{"a", 0, true}, {"a", 59 * time.Second, false}, {"b", 59 * time.Second, true}, {"a", time.Minute, true}, {"a", 119 * time.Second, false},
	} {
		if got := f.due(tt.image, start.Add(tt.after)); got != tt.want {
			t.Errorf("%s after %v: got %v, want %v", tt.image, tt.after, got, tt.want)
		}
	}
}

// Headers an extension set are kept, but for those about a body that is not sent.
func TestErrorKeepsHeaders(t *testing.T) {
	f := start(t, []string{"app.dll"}, dllApp)
	status := 401
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.Header().Set("Content-Length", "7")
		w.Header().Set("Content-Encoding", "gzip")
		target.Host.Error(w, r, status, 2)
	}
	resp := f.get("/app.dll")
	if resp.code() != "401.2" || resp.Header.Get("WWW-Authenticate") != "Basic" || resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("got %s %v\n%s", resp.Status, resp.Header, resp.body)
	}
	for _, status = range []int{204, 304} {
		if resp := f.get("/app.dll"); resp.StatusCode != status || resp.body != "" {
			t.Errorf("status %d: got %s %q", status, resp.Status, resp.body)
		}
	}
}

// A page may send the status of the error itself.
func TestErrorPageWithStatus(t *testing.T) {
	f := start(t, []string{"e.dll", "empty/"}, "error_pages: {403: {path: /e.dll, mode: url}}\n"+dllApp)
	f.run = func(w http.ResponseWriter, r *http.Request, _ *executor.Target) {
		w.Header().Set("X-Page", "mine")
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte("my page"))
	}
	if resp := f.get("/empty/"); resp.StatusCode != 403 || resp.body != "my page" || resp.Header.Get("X-Page") != "mine" {
		t.Errorf("got %s %v %q", resp.Status, resp.Header, resp.body)
	}
}

// What an error page executes cannot bring the error page back.
func TestErrorPageExecutesItself(t *testing.T) {
	f := start(t, []string{"e.dll"}, "error_pages: {404: {path: /e.dll, mode: url}}\n"+dllApp)
	var calls atomic.Int32
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		calls.Add(1)
		child := r.Clone(r.Context())
		child.URL = mustURL(t, "/none")
		target.Host.Exec(w, child, false)
	}
	if resp := f.get("/other"); resp.code() != "404" || calls.Load() != 1 {
		t.Errorf("got %s after %d calls, want the built-in page after 1", resp.Status, calls.Load())
	}
}

func TestErrorFromOutside(t *testing.T) {
	f := start(t, []string{"../503.html"}, "error_pages: {503: 503.html}\n")
	f.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "1")
		f.site.Error(w, r, http.StatusServiceUnavailable, 0)
	})
	if resp := f.get("/"); resp.StatusCode != 503 || resp.body != "../503.html" || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("got %s %v %q", resp.Status, resp.Header, resp.body)
	}
}
