package site

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestStaticFile(t *testing.T) {
	f := start(t, []string{"page.html", "data.xyz", "noext", "UPPER.HTML", "a.log", "pipe.html/", "empty.txt"}, "mime: {.LOG: text/x-log}\n")
	must(t, os.Truncate(filepath.Join(f.dir, "empty.txt"), 0))
	tests := []struct {
		method, target string
		header         []string
		want           int
		body           string
		check          map[string]string
	}{
		{"GET", "/page.html", nil, 200, "page.html", map[string]string{"Content-Type": "text/html", "Accept-Ranges": "bytes", "Content-Length": "9"}},
		{"HEAD", "/page.html", nil, 200, "", map[string]string{"Content-Type": "text/html", "Content-Length": "9"}},
		{"GET", "/UPPER.HTML", nil, 200, "UPPER.HTML", map[string]string{"Content-Type": "text/html"}},
		{"GET", "/a.log", nil, 200, "a.log", map[string]string{"Content-Type": "text/x-log"}},
		{"GET", "/empty.txt", nil, 200, "", map[string]string{"Content-Length": "0"}},
		{"GET", "/page.html", []string{"Range: bytes=1-3"}, 206, "age", map[string]string{"Content-Range": "bytes 1-3/9"}},
		{"GET", "/page.html", []string{"Range: bytes=-4"}, 206, "html", nil},
		{"GET", "/page.html", []string{"Range: bytes=9-"}, 416, "*", map[string]string{"Content-Range": "bytes */9"}},
		{"GET", "/page.html", []string{"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"}, 304, "", nil},
		{"GET", "/page.html", []string{"If-Modified-Since: Thu, 01 Jan 1998 00:00:00 GMT"}, 200, "page.html", nil},
		{"GET", "/page.html", []string{"If-None-Match: *"}, 304, "", nil},
		{"GET", "/page.html", []string{`If-Match: "other"`}, 412, "*", nil},
		{"POST", "/page.html", []string{"Content-Length: 0"}, 405, "*", map[string]string{"Allow": "OPTIONS, GET, HEAD"}},
		{"DELETE", "/page.html", nil, 405, "*", map[string]string{"Allow": "OPTIONS, GET, HEAD"}},
		{"OPTIONS", "/page.html", nil, 200, "", map[string]string{"Allow": "OPTIONS, GET, HEAD"}},
		{"GET", "/none.html", nil, 404, "*", nil},
		{"POST", "/none.html", []string{"Content-Length: 0"}, 404, "*", nil},
		{"HEAD", "/none.html", nil, 404, "", map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		{"GET", "/page.html/", nil, 404, "*", nil},
		{"GET", "/page.html/x", nil, 404, "*", nil},
		{"GET", "/PAGE.html", nil, 404, "*", nil},
		{"GET", "/" + strings.Repeat("n", 256) + ".htm", nil, 404, "*", nil},
	}
	for _, tt := range tests {
		if runtime.GOOS == "windows" && tt.target == "/PAGE.html" {
			tt.want, tt.body = 200, "page.html"
		}
		resp := f.raw(tt.method, tt.target, tt.header...)
		if resp.StatusCode != tt.want || tt.body != "*" && resp.body != tt.body {
			t.Errorf("%s %s %v: got %d %q, want %d %q", tt.method, tt.target, tt.header, resp.StatusCode, resp.body, tt.want, tt.body)
		}
		for name, want := range tt.check {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s %s %v: %s is %q, want %q", tt.method, tt.target, tt.header, name, got, want)
			}
		}
	}
	etag := f.get("/page.html").Header.Get("ETag")
	if resp := f.get("/page.html", "If-None-Match: "+etag); resp.StatusCode != 304 || etag == "" {
		t.Errorf("If-None-Match %q: got %s", etag, resp.Status)
	}
	must(t, os.WriteFile(filepath.Join(f.dir, "page.html"), []byte("changed"), 0o644))
	if resp := f.get("/page.html", "If-None-Match: "+etag); resp.body != "changed" {
		t.Errorf("changed file: got %s %q", resp.Status, resp.body)
	}
}

func TestNeverServed(t *testing.T) {
	f := startWith(t, []string{
		"data.xyz", "noext", "app.dll", "app.so", "libx.so.1", "app.exe", "app.dll.update", "app.dll.run", "app.dll.backup", "app.so.failed",
		"engine.txt", "hard.html", "cert.txt", "key.txt", "soft.html>engine.txt", "log.txt", "app.run", "APP.DLL",
	}, `
mime: {.dll: application/x, .so: application/x, .1: text/plain, .run: text/plain}
certificate: www/cert.txt
key: www/key.txt
applications:
  - path: /
    handlers: [{path: "*.asp", extension: www/engine.txt}]
`, "log: {access_file: www/log.txt}\n")
	must(t, os.Remove(filepath.Join(f.dir, "hard.html")))
	must(t, os.Link(filepath.Join(f.dir, "engine.txt"), filepath.Join(f.dir, "hard.html")))
	for target, want := range map[string]string{
		"/data.xyz": "404.3", "/noext": "404.3", "/app.dll": "404.3", "/APP.DLL": "404.3", "/app.so": "404.3", "/libx.so.1": "404.3",
		"/app.exe": "404.3", "/app.dll.update": "404.3", "/app.dll.run": "404.3", "/app.dll.backup": "404.3", "/app.so.failed": "404.3",
		"/app.run": "404.3", "/engine.txt": "404", "/soft.html": "404", "/hard.html": "404", "/cert.txt": "404", "/key.txt": "404", "/log.txt": "404",
	} {
		if resp := f.get(target); resp.code() != want {
			t.Errorf("GET %s: got %s, want %s", target, resp.code(), want)
		}
	}
	// An update puts another file under the name.
	f.make("new.txt")
	must(t, os.Rename(filepath.Join(f.dir, "new.txt"), filepath.Join(f.dir, "engine.txt")))
	if resp := f.get("/engine.txt"); resp.code() != "404" {
		t.Errorf("GET /engine.txt after an update: got %s, want 404", resp.code())
	}
}

func TestFolders(t *testing.T) {
	f := start(t, []string{
		"with/index.html", "upper/Default.htm", "upper/index.html", "empty/", "dll/default.dll", "lower/default.htm", "a b/", "café/", "sub/folder/index.html/",
	}, "default_documents: [Default.htm, default.dll, index.html]\n"+dllApp)
	for target, want := range map[string]string{
		"/with/": "with/index.html", "/upper/": "upper/Default.htm", "/lower/?x": "lower/default.htm",
	} {
		if resp := f.get(target); resp.body != want {
			t.Errorf("GET %s: got %s %q, want %q", target, resp.Status, resp.body, want)
		}
	}
	if l := f.landed("GET", "/dll/?a=b"); l.ScriptName != "/dll/default.dll" || l.PathInfo != "" || l.Query != "a=b" {
		t.Errorf("default document with a handler: got %+v", l)
	}
	for target, want := range map[string]string{
		"/with": "/with/", "/with?a=b&c=%20": "/with/?a=b&c=%20", "/a%20b": "/a%20b/", "/caf%c3%a9": "/caf%C3%A9/", "//with": "/with/",
		"http://evil.example//with": "/with/",
	} {
		resp := f.get(target)
		if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusMovedPermanently || got != want {
			t.Errorf("GET %s: got %s to %q, want 301 to %q", target, resp.Status, got, want)
		}
	}
	for _, target := range []string{"/empty/", "/", "/sub/folder/"} {
		if resp := f.get(target); resp.code() != "403.14" {
			t.Errorf("GET %s: got %s, want 403.14", target, resp.code())
		}
	}
	if resp := f.raw("POST", "/with", "Content-Length: 0"); resp.StatusCode != 405 {
		t.Errorf("POST to a folder: got %s, want 405", resp.Status)
	}
}

func TestVirtualDirectories(t *testing.T) {
	f := start(t, []string{"../img/a.png", "../img/deep/b.png", "../deep/b.png", "img/c.png", "secret.txt", "../img/up>../www"}, `
virtual_directories:
  - {path: /img, directory: img}
  - {path: /img/deep, directory: deep}
`)
	for target, want := range map[string]string{"/img/a.png": "../img/a.png", "/img/deep/b.png": "../deep/b.png"} {
		if resp := f.get(target); resp.body != want {
			t.Errorf("GET %s: got %s %q, want %q", target, resp.Status, resp.body, want)
		}
	}
	for _, target := range []string{"/img/c.png", "/img/up/secret.txt", "/imgx/a.png"} {
		if resp := f.get(target); resp.StatusCode != 404 {
			t.Errorf("GET %s: got %s, want 404", target, resp.Status)
		}
	}
	if resp := f.get("/img"); resp.Header.Get("Location") != "/img/" {
		t.Errorf("GET /img: got %s to %q", resp.Status, resp.Header.Get("Location"))
	}
}

// A folder that is replaced behind a link is seen by the next request: releases are switched like this.
func TestSwitchedRoot(t *testing.T) {
	if !links(t) {
		t.Skip("no symbolic links can be made")
	}
	f := start(t, []string{"one/page.html", "../two/one/page.html"}, "")
	f.get("/one/page.html")
	must(t, os.Rename(f.dir, f.dir+".old"))
	must(t, os.Symlink(filepath.Join(filepath.Dir(f.dir), "two"), f.dir))
	if resp := f.get("/one/page.html"); resp.body != "../two/one/page.html" {
		t.Errorf("after the switch: got %s %q", resp.Status, resp.body)
	}
}
