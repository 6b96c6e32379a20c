package site

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/isapid/isapid/internal/executor"
)

// where is what an extension is told about the place a request landed. In the physical paths WWW stands for the root, OTHER for the
// folder "other" beside it.
type where struct{ image, script, info, translated, scriptTranslated string }

func (f *fixture) check(t *testing.T, target string, want where) {
	t.Helper()
	f.t = t
	l := f.landed("GET", target)
	in := func(p string) string {
		if rest, ok := cutPrefix(p, "WWW"); ok {
			return f.dir + filepath.FromSlash(rest)
		}
		if rest, ok := cutPrefix(p, "OTHER"); ok {
			return filepath.Join(filepath.Dir(f.dir), "other") + filepath.FromSlash(rest)
		}
		return p
	}
	got := where{l.Image, l.ScriptName, l.PathInfo, l.PathTranslated, l.ScriptTranslated}
	want = where{in(want.image), want.script, want.info, in(want.translated), in(want.scriptTranslated)}
	if got != want {
		t.Errorf("GET %s:\n got %+v\nwant %+v", target, got, want)
	}
}

func cutPrefix(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):], true
	}
	return s, false
}

// The three rows of the path rules.
func TestPathRules(t *testing.T) {
	f := start(t, []string{"v/app.dll", "dir.ext/p.ext", "v/p.ext", "v/q.ex2", "eng.so"}, `
applications:
  - path: /
    handlers:
      - {path: "*.dll", isapi: true}
      - {path: "*.ext", extension: www/eng.so}
      - {path: "*.ex2", extension: www/eng.so, path_info: true}
`)
	for target, want := range map[string]where{
		"/v/app.dll/a/b?q":     {"WWW/v/app.dll", "/v/app.dll", "/a/b", "WWW/a/b", "WWW/v/app.dll"},
		"/v/app.dll?q":         {"WWW/v/app.dll", "/v/app.dll", "", "WWW", "WWW/v/app.dll"},
		"/v/app.dll/":          {"WWW/v/app.dll", "/v/app.dll", "/", "WWW/", "WWW/v/app.dll"},
		"/v/app.dll/caf%C3%A9": {"WWW/v/app.dll", "/v/app.dll", "/café", "WWW/café", "WWW/v/app.dll"},
		"/v/p.ext/a/b":         {"WWW/eng.so", "/v/p.ext", "/v/p.ext/a/b", "WWW/v/p.ext/a/b", "WWW/v/p.ext"},
		"/v/p.ext":             {"WWW/eng.so", "/v/p.ext", "/v/p.ext", "WWW/v/p.ext", "WWW/v/p.ext"},
		"/v/P.EXT/":            {"WWW/eng.so", "/v/P.EXT", "/v/P.EXT/", "WWW/v/P.EXT/", "WWW/v/P.EXT"},
		"/v/none.ext":          {"WWW/eng.so", "/v/none.ext", "/v/none.ext", "WWW/v/none.ext", "WWW/v/none.ext"},
		"/dir.ext/p.ext/a":     {"WWW/eng.so", "/dir.ext/p.ext", "/dir.ext/p.ext/a", "WWW/dir.ext/p.ext/a", "WWW/dir.ext/p.ext"},
		"/v/q.ex2/a/b":         {"WWW/eng.so", "/v/q.ex2", "/a/b", "WWW/a/b", "WWW/v/q.ex2"},
		"/v/q.ex2":             {"WWW/eng.so", "/v/q.ex2", "", "WWW", "WWW/v/q.ex2"},
	} {
		t.Run(target, func(t *testing.T) { f.check(t, target, want) })
	}
}

// The image is the first segment that is a file, not just the first with the extension.
func TestImageInTheMiddle(t *testing.T) {
	f := start(t, []string{"dir.dll/app.dll", "dir.dll/sub/", "one.dll", "UPPER.DLL"}, dllApp)
	for target, want := range map[string]where{
		"/dir.dll/app.dll/x":       {"WWW/dir.dll/app.dll", "/dir.dll/app.dll", "/x", "WWW/x", "WWW/dir.dll/app.dll"},
		"/one.dll/two.dll":         {"WWW/one.dll", "/one.dll", "/two.dll", "WWW/two.dll", "WWW/one.dll"},
		"/UPPER.DLL/x":             {"WWW/UPPER.DLL", "/UPPER.DLL", "/x", "WWW/x", "WWW/UPPER.DLL"},
		"//one.dll//x//":           {"WWW/one.dll", "/one.dll", "/x/", "WWW/x/", "WWW/one.dll"},
		"/%6fne.dll":               {"WWW/one.dll", "/one.dll", "", "WWW", "WWW/one.dll"},
		"http://x.example/one.dll": {"WWW/one.dll", "/one.dll", "", "WWW", "WWW/one.dll"},
	} {
		t.Run(target, func(t *testing.T) { f.check(t, target, want) })
	}
	missing := []string{"/dir.dll/none.dll", "/none.dll/x"}
	if runtime.GOOS != "windows" { // it is found there
		missing = append(missing, "/upper.dll")
	}
	for _, target := range missing {
		if resp := f.get(target); resp.StatusCode != 404 {
			t.Errorf("GET %s: got %s, want 404", target, resp.Status)
		}
	}
}

func TestWildcards(t *testing.T) {
	f := startWith(t, []string{"a.so", "b.so", "c.so", "app.dll", "page.html", "../other/", "static/x.html"}, `
virtual_directories:
  - {path: /img, directory: other}
applications:
  - path: /
    handlers:
      - {path: /static/*, static: true}
      - {path: /orders/*, extension: www/a.so}
      - {path: "*", extension: www/b.so}
  - path: /shop
    directory: other
    pool: fast
    handlers:
      - {path: /orders/*, extension: www/a.so}
      - {path: "*", extension: www/c.so}
`, "pools: {fast: {}}\n")
	for target, want := range map[string]where{
		"/orders/12/x":    {"WWW/a.so", "/orders", "/12/x", "WWW/12/x", "WWW/orders"},
		"/orders/":        {"WWW/a.so", "/orders", "/", "WWW/", "WWW/orders"},
		"/orders":         {"WWW/a.so", "/orders", "", "WWW", "WWW/orders"},
		"/ordersx":        {"WWW/b.so", "", "/ordersx", "WWW/ordersx", "WWW"},
		"/":               {"WWW/b.so", "", "/", "WWW/", "WWW"},
		"/page.html":      {"WWW/b.so", "", "/page.html", "WWW/page.html", "WWW"},
		"/app.dll/x":      {"WWW/b.so", "", "/app.dll/x", "WWW/app.dll/x", "WWW"},
		"/img/x":          {"WWW/b.so", "", "/img/x", "OTHER/x", "WWW"},
		"/shop/a":         {"WWW/c.so", "/shop", "/a", "WWW/a", "OTHER"},
		"/shop":           {"WWW/c.so", "/shop", "", "WWW", "OTHER"},
		"/shop/orders/1":  {"WWW/a.so", "/shop/orders", "/1", "WWW/1", "OTHER/orders"},
		"/shopping":       {"WWW/b.so", "", "/shopping", "WWW/shopping", "WWW"},
		"//shop//orders/": {"WWW/a.so", "/shop/orders", "/", "WWW/", "OTHER/orders"},
	} {
		t.Run(target, func(t *testing.T) { f.check(t, target, want) })
	}
	f.t = t
	if resp := f.get("/static/x.html"); resp.body != "static/x.html" {
		t.Errorf("static handler before the wildcard: got %s %q", resp.Status, resp.body)
	}
	root := executor.App{SiteID: 3, SiteName: "shop", DocumentRoot: f.dir, Path: "/", PhysicalPath: f.dir, Pool: "default"}
	if got := f.landed("GET", "/x").App; got != root {
		t.Errorf("application /: got %+v, want %+v", got, root)
	}
	shop := executor.App{SiteID: 3, SiteName: "shop", DocumentRoot: f.dir, Path: "/shop", PhysicalPath: filepath.Join(filepath.Dir(f.dir), "other"), Pool: "fast"}
	if got := f.landed("GET", "/shop/x").App; got != shop {
		t.Errorf("application /shop: got %+v, want %+v", got, shop)
	}
}

func TestQueryIsNotDecoded(t *testing.T) {
	f := start(t, []string{"app.dll"}, dllApp)
	l := f.landed("GET", "/app.dll?a=%2e%2e%5c+%00;x&%u0041")
	if want := "a=%2e%2e%5c+%00;x&%u0041"; l.Query != want {
		t.Errorf("query: got %q, want %q", l.Query, want)
	}
}

func TestMethods(t *testing.T) {
	f := start(t, []string{"p.asp", "get.html", "a.so", "b.so"}, `
applications:
  - path: /
    handlers:
      - {path: "*.asp", extension: www/a.so, methods: [POST, HEAD]}
      - {path: "*.html", extension: www/a.so, methods: [POST]}
      - {path: "*.asp", extension: www/b.so, methods: [PUT, POST]}
      - {path: "*", static: true}
`)
	if got, want := f.landed("POST", "/p.asp").Image, filepath.Join(f.dir, "a.so"); got != want {
		t.Errorf("POST: got %q, want %q", got, want)
	}
	if got, want := f.landed("PUT", "/p.asp").Image, filepath.Join(f.dir, "b.so"); got != want {
		t.Errorf("PUT: got %q, want %q", got, want)
	}
	// What a method runs, GET must not show the source of.
	for target, allow := range map[string]string{"/p.asp": "HEAD, POST, PUT", "/get.html": "POST"} {
		resp := f.get(target)
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != allow {
			t.Errorf("GET %s: got %s, Allow %q, want 405, %q", target, resp.Status, resp.Header.Get("Allow"), allow)
		}
	}
}

func TestMustExist(t *testing.T) {
	f := start(t, []string{"there.asp", "dir.asp/", "a.so", "b.so", "page.html"}, `
applications:
  - path: /
    handlers:
      - {path: "*.asp", extension: www/a.so, must_exist: true}
      - {path: "*.aspx", extension: www/a.so}
      - {path: "*", extension: www/b.so, must_exist: true}
`)
	a, b := filepath.Join(f.dir, "a.so"), filepath.Join(f.dir, "b.so")
	for target, want := range map[string]string{"/there.asp": a, "/there.asp/x": a, "/none.aspx": a, "/page.html": b} {
		if got := f.landed("GET", target).Image; got != want {
			t.Errorf("GET %s: got %q, want %q", target, got, want)
		}
	}
	for target, want := range map[string]int{"/none.asp": 404, "/dir.asp/": 403, "/none.html": 404} {
		if resp := f.get(target); resp.StatusCode != want {
			t.Errorf("GET %s: got %s, want %d", target, resp.Status, want)
		}
	}
}

func TestImagesAllow(t *testing.T) {
	f := start(t, []string{"isapi/a.dll", "isapi2/a.dll", "one.dll", "upload/b.dll", "link.dll>upload/b.dll", "good.dll>isapi/a.dll", "eng.so"}, `
images: {allow: [www/isapi, www/one.dll, www/none]}
applications:
  - path: /
    handlers:
      - {path: "*.dll", isapi: true}
      - {path: "*.asp", extension: www/eng.so}
`)
	good, bad := []string{"/isapi/a.dll", "/one.dll", "/x.asp"}, []string{"/upload/b.dll", "/isapi2/a.dll"}
	if links(t) {
		good, bad = append(good, "/good.dll"), append(bad, "/link.dll")
	}
	for _, target := range good {
		f.landed("GET", target)
	}
	for _, target := range bad {
		if resp := f.get(target); resp.code() != "404.2" {
			t.Errorf("GET %s: got %s, want 404.2", target, resp.code())
		}
	}
}

func TestNoHandler(t *testing.T) {
	f := start(t, []string{"page.html", "app.dll"}, "static: false\n"+dllApp)
	f.landed("GET", "/app.dll")
	for _, target := range []string{"/page.html", "/", "/none.dll"} {
		if resp := f.get(target); resp.code() != "404.4" {
			t.Errorf("GET %s: got %s, want 404.4", target, resp.code())
		}
	}
}

func TestStaticHandler(t *testing.T) {
	f := start(t, []string{"a.css", "b.html", "x.css/index.html", "pub/index.html", "pub/b.html"}, `
static: false
applications:
  - path: /
    handlers:
      - {path: "*.css", static: true}
      - {path: /pub/*, static: true}
`)
	for target, want := range map[string]string{"/a.css": "a.css", "/pub/": "pub/index.html", "/pub/b.html": "pub/b.html"} {
		if resp := f.get(target); resp.body != want {
			t.Errorf("GET %s: got %s %q, want %q", target, resp.Status, resp.body, want)
		}
	}
	for _, target := range []string{"/b.html", "/x.css/", "/x.css/index.html"} {
		if resp := f.get(target); resp.code() != "404.4" {
			t.Errorf("GET %s: got %s, want 404.4", target, resp.code())
		}
	}
}
