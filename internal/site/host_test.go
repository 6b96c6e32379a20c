package site

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/executor"
)

const wildcardApp = `
applications:
  - path: /
    handlers:
      - {path: "*.dll", isapi: true}
      - {path: /orders/*, extension: www/a.so}
      - {path: "*", extension: www/b.so}
`

// execs makes the extension run the URL in its query as a child request.
func execs(t *testing.T, skip bool) func(http.ResponseWriter, *http.Request, *executor.Target) {
	return func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		fmt.Fprintf(w, "[%s%s]", target.ScriptName, target.PathInfo)
		if r.URL.RawQuery == "" {
			return
		}
		child := r.Clone(r.Context())
		path, query, _ := strings.Cut(r.URL.RawQuery, ";")
		child.URL = mustURL(t, path+"?"+query)
		target.Host.Exec(w, child, skip)
	}
}

func TestExec(t *testing.T) {
	f := start(t, []string{"app.dll", "a.so", "b.so", "page.html"}, wildcardApp)
	f.run = execs(t, false)
	for target, want := range map[string]string{
		"/app.dll?/orders/1;/x": "[/app.dll][/orders/1][/x]",
		"/app.dll/y?/app.dll":   "[/app.dll/y][/app.dll]",
	} {
		if resp := f.get(target); resp.body != want {
			t.Errorf("GET %s: got %q, want %q", target, resp.body, want)
		}
	}
	if resp := f.get("/app.dll?/%2e%2e/x"); !strings.Contains(resp.body, "<title>400 ") {
		t.Errorf("a child's path is checked too: got %q", resp.body)
	}
}

func TestExecSkipsCurrent(t *testing.T) {
	f := start(t, []string{"app.dll", "a.so", "b.so", "page.html", "orders/1.html"}, wildcardApp)
	f.run = execs(t, true)
	for target, want := range map[string]string{
		"/x?/page.html":                      "[/x]page.html",
		"/orders/x?/orders/y":                "[/orders/x][/orders/y]",
		"/orders/x?/orders/1.html;/page":     "[/orders/x][/orders/1.html]<!DOCTYPE html>",
		"/orders/x?/x;/orders/1.html":        "[/orders/x][/x]orders/1.html",
		"/app.dll?/app.dll;/x;/page.html":    "[/app.dll][/app.dll][/x]page.html",
		"/x?/app.dll;/orders/1.html;/none.x": "[/x][/app.dll][/orders/1.html]<!DOCTYPE html>",
	} {
		if resp := f.get(target); !strings.HasPrefix(resp.body, want) {
			t.Errorf("GET %s: got %q, want %q", target, resp.body, want)
		}
	}
}

func TestExecDepth(t *testing.T) {
	f := start(t, []string{"app.dll", "err.dll"}, "error_pages: {500: {path: /app.dll, mode: url}}\n"+dllApp)
	var calls atomic.Int32
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		calls.Add(1)
		target.Host.Exec(w, r, true) // an image that a URL names is no wildcard: it is not passed over
	}
	resp := f.get("/app.dll")
	if resp.code() != "500" || calls.Load() != maxDepth+1 {
		t.Errorf("got %s after %d calls, want 500 after %d", resp.Status, calls.Load(), maxDepth+1)
	}
	if !strings.Contains(f.log.String(), "execute each other without end") {
		t.Errorf("log says nothing:\n%s", f.log.String())
	}
}

func TestMap(t *testing.T) {
	f := startWith(t, []string{"app.dll", "a.so", "../img/", "../shop/"}, `
virtual_directories: [{path: /img, directory: img}]
applications:
  - path: /
    handlers: [{path: "*.dll", isapi: true}]
  - path: /shop
    directory: shop
    handlers: [{path: "*.asp", extension: www/a.so}]
  - path: /plain
`, "")
	base := filepath.Dir(f.dir)
	tests := []struct{ url, path, dir, matched string }{
		{"", "www", "www", ""},
		{"/", "www/", "www", ""},
		{"/a/b.html", "www/a/b.html", "www", ""},
		{"/a/", "www/a/", "www", ""},
		{"/img", "img", "img", "/img"},
		{"/img/x y.png", "img/x y.png", "img", "/img"},
		{"/images/x", "www/images/x", "www", ""},
		{"/shop/p.asp", "shop/p.asp", "shop", "/shop"},
		{"/bin/data.db", "www/bin/data.db", "www", ""},
		{"/.hidden", "www/.hidden", "www", ""},
	}
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		for _, tt := range tests {
			m, err := target.Host.Map(tt.url)
			if want := filepath.Join(base) + filepath.FromSlash("/"+tt.path); err != nil || m.Path != want || m.Path[:m.MatchedPath] != filepath.Join(base, tt.dir) || m.MatchedURL != len(tt.matched) {
				t.Errorf("Map(%q): got %+v, %v, want %q, %q, %q", tt.url, m, err, want, tt.dir, tt.matched)
			}
		}
		for _, bad := range []string{"a", "/..", "/a/../b", "/a/./b", `/a\b`, "/a\x00b", "/nul", "/a:b", "/a.", "/a ", "/" + strings.Repeat("a", 261)} {
			if m, err := target.Host.Map(bad); err == nil {
				t.Errorf("Map(%q): got %+v, want an error", bad, m)
			}
		}
		for url, want := range map[string]uint32{"/x": urlRead | urlExecute | urlScript, "/shop/x": urlRead | urlScript, "/plain": urlRead} {
			if m, _ := target.Host.Map(url); m.Flags != want {
				t.Errorf("Map(%q): flags %#x, want %#x", url, m.Flags, want)
			}
		}
		io.WriteString(w, "done")
	}
	if resp := f.get("/app.dll"); resp.body != "done" {
		t.Errorf("got %s %q", resp.Status, resp.body)
	}
}

func TestBodyLimit(t *testing.T) {
	f := start(t, []string{"app.dll"}, "limits: {body: 10}\n"+dllApp)
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		_, err := io.ReadAll(r.Body)
		fmt.Fprint(w, err)
	}
	post := func(body io.Reader) response {
		t.Helper()
		resp, err := f.server.Client().Post(f.server.URL+"/app.dll", "text/plain", body)
		must(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		must(t, err)
		return response{resp, string(text)}
	}
	if resp := post(strings.NewReader("0123456789")); resp.body != "<nil>" {
		t.Errorf("a body of the limit: got %s %q", resp.Status, resp.body)
	}
	if resp := post(strings.NewReader("0123456789a")); resp.code() != "413.1" {
		t.Errorf("a longer body: got %s %q", resp.Status, resp.body)
	}
	if resp := post(io.MultiReader(strings.NewReader("0123456789a"))); resp.body != "http: request body too large" {
		t.Errorf("a longer body of unknown length: got %s %q", resp.Status, resp.body)
	}
}

func TestConcurrentLimit(t *testing.T) {
	f := start(t, []string{"app.dll"}, "limits: {concurrent: 2}\n"+dllApp)
	entered, leave := make(chan bool), make(chan bool)
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		if r.URL.RawQuery == "" {
			target.Host.Exec(w, &http.Request{Method: "GET", URL: mustURL(t, "/app.dll?child"), Header: http.Header{}}, false) // is not counted
		}
		if r.URL.RawQuery == "child" {
			entered <- true
			<-leave
		}
	}
	done := make(chan response)
	for range 2 {
		go func() {
			resp, err := f.server.Client().Get(f.server.URL + "/app.dll")
			if err != nil {
				t.Error(err)
				done <- response{}
				return
			}
			resp.Body.Close()
			done <- response{Response: resp}
		}()
	}
	<-entered
	<-entered
	if resp := f.get("/app.dll"); resp.code() != "503.2" || resp.Header.Get("Retry-After") == "" {
		t.Errorf("third request: got %s, Retry-After %q; want 503.2 and a time", resp.Status, resp.Header.Get("Retry-After"))
	}
	close(leave)
	for range 2 {
		if resp := <-done; resp.Response == nil || resp.StatusCode != 200 {
			t.Errorf("request within the limit: got %+v", resp.Response)
		}
	}
	f.run = nil
	f.landed("GET", "/app.dll") // the places are free again
}

func TestRecord(t *testing.T) {
	f := start(t, []string{"app.dll", "page.html", "a.xyz"}, dllApp)
	s, err := New(f.conf, &f.conf.Sites[0], f.open, nil, nil)
	must(t, err)
	var last *Record
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = &Record{}
		r = WithRecord(r, last)
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	for target, want := range map[string]struct {
		site, application, pool, handler, image string
		status, substatus                       int
		bytes                                   int64
		result                                  bool
	}{
		"/app.dll":   {"shop", "/", "default", "*.dll", filepath.Join(f.dir, "app.dll"), 0, 0, 0, true},
		"/page.html": {"shop", "/", "default", "", "", 200, 0, 9, false},
		"/a.xyz":     {"shop", "/", "default", "", "", 404, 3, 0, false},
		"/.git":      {"shop", "", "", "", "", 404, 9, 0, false},
	} {
		resp, err := server.Client().Get(server.URL + target)
		must(t, err)
		n, err := io.Copy(io.Discard, resp.Body)
		must(t, err)
		resp.Body.Close()
		got := want
		got.site, got.application, got.pool, got.handler, got.image = last.Site, last.Application, last.Pool, last.Handler, last.Image
		got.status, got.substatus, got.bytes, got.result = last.Status, last.Substatus, last.Bytes, last.Result != nil
		if want.status == 404 {
			want.bytes = n
		}
		if got != want || got.result && last.Result.Status != 200 {
			t.Errorf("GET %s: got %+v, want %+v", target, got, want)
		}
		if app := last.App(); (app == nil) != (want.application == "") || app != nil && (app.Path != want.application || app.SiteName != want.site) {
			t.Errorf("GET %s: application %+v, want %q", target, app, want.application)
		}
	}
}

// The trail of a request goes to whoever runs it; a child has one of its own, with the same ID.
func TestTrail(t *testing.T) {
	f := start(t, []string{"app.dll"}, dllApp)
	var trail *executor.Trail
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trail = &executor.Trail{}
		trail.Reset(7, time.Now())
		trail.Trace.SpanID = [8]byte{1}
		f.site.ServeHTTP(w, WithRecord(r, &Record{Trail: trail}))
	}))
	defer server.Close()
	var own, child *executor.Trail
	f.run = func(w http.ResponseWriter, r *http.Request, target *executor.Target) {
		if r.URL.RawQuery == "child" {
			child = target.Trail
			return
		}
		own = target.Trail
		target.Host.Exec(w, &http.Request{Method: "GET", URL: mustURL(t, "/app.dll?child"), Header: http.Header{}}, false)
	}
	resp, err := server.Client().Get(server.URL + "/app.dll")
	must(t, err)
	resp.Body.Close()
	if own != trail || child == nil || child == trail || child.ID != 7 || child.Trace != trail.Trace {
		t.Errorf("trail %p, of the target %p, of the child %+v", trail, own, child)
	}
	f.run = func(_ http.ResponseWriter, _ *http.Request, target *executor.Target) { own = target.Trail }
	f.site.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/app.dll", nil)) // without a record
	if own != nil {
		t.Errorf("without anybody who wants to know: %+v", own)
	}
}

// What the server writes is not to be had, wherever it lies.
func TestWrittenIsPrivate(t *testing.T) {
	f := start(t, []string{"page.html", "access.log", "access-20260101.log", "accessories.log", "logs/W3SVC1/u_ex260101.log", "crashes/a.json"}, dllApp)
	f.conf.Log.Access = &config.AccessLog{File: filepath.Join(f.dir, "access.log")}
	f.conf.Crashes = config.CrashFiles{Directory: filepath.Join(f.dir, "crashes"), Keep: 1}
	f.conf.Sites[0].MIME = map[string]string{".log": "text/plain", ".json": "text/plain"}
	check := func(want map[string]int) {
		t.Helper()
		s, err := New(f.conf, &f.conf.Sites[0], f.open, nil, nil)
		must(t, err)
		for path, status := range want {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != status {
				t.Errorf("%s: got %d, want %d", path, w.Code, status)
			}
		}
	}
	check(map[string]int{
		"/page.html": 200, "/access.log": 404, "/access-20260101.log": 404, "/accessories.log": 200, "/crashes/a.json": 404, "/logs/W3SVC1/u_ex260101.log": 200,
	})
	f.conf.Log.Access = &config.AccessLog{Directory: filepath.Join(f.dir, "logs")}
	check(map[string]int{"/access.log": 200, "/logs/W3SVC1/u_ex260101.log": 404})
}
