package site

import (
	"strings"
	"testing"
)

// Each path below is asked for over a plain connection, of a site that would have something there if the path were
// believed: the secret above the root, the file without its trailing dot, and a wildcard that answers everything.
func TestRefusedPaths(t *testing.T) {
	tests := []struct{ name, target, want string }{
		{"dot dot", "/../secret.txt", "400"},
		{"dot dot inside", "/dir/../../secret.txt", "400"},
		{"dot dot at the end", "/dir/..", "400"},
		{"dot", "/./page.html", "400"},
		{"encoded dots", "/%2e%2e/secret.txt", "400"},
		{"half encoded dots", "/.%2E/secret.txt", "400"},
		{"encoded slash", "/dir%2fpage.html", "400"},
		{"encoded traversal", "/..%2fsecret.txt", "400"},
		{"encoded traversal, capitals", "/%2E%2E%2Fsecret.txt", "400"},
		{"back slash", `/..\secret.txt`, "400"},
		{"back slash alone", `/dir\page.html`, "400"},
		{"encoded back slash", "/..%5csecret.txt", "400"},
		{"encoded back slash, capitals", "/..%5Csecret.txt", "400"},
		{"mixed slashes", `/dir/..\../secret.txt`, "400"},
		{"escaped twice", "/%252e%252e/secret.txt", "404.11"},
		{"slash escaped twice", "/..%252fsecret.txt", "404.11"},
		{"back slash escaped twice", "/..%255csecret.txt", "404.11"},
		{"letter escaped twice", "/p%2561ge.html", "404.11"},
		{"escaped thrice", "/%25252e/secret.txt", "404.11"},
		{"unicode escape", "/%u002e%u002e/secret.txt", "400"},
		{"unicode escape, escaped", "/%25u002e%25u002e/secret.txt", "404.11"},
		{"cut escape", "/page.html%2", "400"},
		{"no escape", "/page%zz.html", "400"},
		{"overlong slash", "/..%c0%afsecret.txt", "400"},
		{"overlong dot", "/%c0%ae%c0%ae/secret.txt", "400"},
		{"overlong, three bytes", "/..%e0%80%afsecret.txt", "400"},
		{"surrogate", "/%ed%a0%80", "400"},
		{"Latin-1", "/caf%e9", "400"},
		{"NUL", "/page.html%00.txt", "400"},
		{"line feed", "/page.html%0a", "400"},
		{"header injection", "/%0d%0aSet-Cookie:%20a=b", "400"},
		{"delete", "/page%7f", "400"},
		{"C1 control", "/page%c2%85", "400"},
		{"long segment", "/" + strings.Repeat("a", 261), "400"},
		{"many segments", strings.Repeat("/a", 256), "400"},
		{"long URL", "/" + strings.Repeat("/a", 2048), "404.14"},
		{"long query", "/page.html?" + strings.Repeat("q", 2049), "404.15"},
		{"CON", "/con", "404"},
		{"NUL device", "/dir/NUL", "404"},
		{"NUL with extension", "/nul.txt", "404"},
		{"COM1 with extensions", "/Com1.tar.gz", "404"},
		{"LPT with superscript", "/lpt%c2%b2.txt", "404"},
		{"AUX with spaces", "/aux%20%20.txt", "404"},
		{"CONIN$", "/ConIn$.txt", "404"},
		{"CONOUT$", "/conout$", "404"},
		{"CLOCK$", "/cLOCK$", "404"},
		{"COM9", "/dir/com9", "404"},
		{"device as folder", "/prn/page.html", "404"},
		{"stream", "/page.html::$DATA", "404"},
		{"stream encoded", "/page.html%3A%3A$DATA", "404"},
		{"drive", "/c:/page.html", "404"},
		{"trailing dot", "/page.html.", "404"},
		{"trailing dots", "/page.html...", "404"},
		{"trailing space", "/page.html%20", "404"},
		{"trailing dot of a folder", "/dir./page.html", "404"},
		{"dot file", "/.htpasswd", "404.9"},
		{"dot folder", "/.git/config", "404.9"},
		{"dot folder deeper", "/dir/.svn/entries", "404.9"},
		{"well-known deeper", "/dir/.well-known/x", "404.9"},
		{"bin", "/bin/app.txt", "404.8"},
		{"Bin", "/dir/BIN/app.txt", "404.8"},
		{"bin encoded", "/%62in/app.txt", "404.8"},
		{"web.config", "/web.config", "404.8"},
		{"App_Data", "/dir/app_dATA/x.mdb", "404.8"},
		{"own configuration", "/isapid.yaml", "404.8"},
		{"star", "*", "400"},
	}
	files := []string{"../secret.txt", "page.html", "dir/page.html", "bin/app.txt", ".htpasswd", "web.config", "isapid.yaml", "a.so"}
	static := start(t, files, "")
	wildcard := start(t, files, `
applications:
  - path: /
    handlers:
      - {path: "*", extension: www/a.so}
`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			static.t, wildcard.t = t, t
			for name, f := range map[string]*fixture{"static": static, "wildcard": wildcard} {
				resp := f.get(tt.target)
				if got := resp.code(); got != tt.want {
					t.Errorf("%s site: GET %q: got %s, want %s\n%s", name, tt.target, got, tt.want, resp.body)
				}
				if strings.Contains(resp.body, "secret") || resp.Header.Get("Set-Cookie") != "" {
					t.Errorf("%s site: GET %q tells: %v\n%s", name, tt.target, resp.Header, resp.body)
				}
			}
		})
	}
}

// The neighbours of what is refused.
func TestAcceptedPaths(t *testing.T) {
	f := start(t, []string{
		"page.html", "dir/page.html", "100%.html", "a b.html", "café.html", "page~1.html", "a+b.html", "..a.html.txt", "console.html",
		"com10.html", "binary/a.html", ".well-known/acme.txt", "a#b.html", "inner.html>page.html", "inside>dir", "deep/", "deep/up.html>../page.html",
	}, "")
	for target, want := range map[string]string{
		"/page.html":                      "page.html",
		"//page.html":                     "page.html",
		"/dir//page.html":                 "dir/page.html",
		"////dir/////page.html":           "dir/page.html",
		"/p%61ge.html":                    "page.html",
		"/100%25.html":                    "100%.html",
		"/a%20b.html":                     "a b.html",
		"/caf%c3%a9.html":                 "café.html",
		"/page~1.html":                    "page~1.html",
		"/a+b.html":                       "a+b.html",
		"/console.html":                   "console.html",
		"/com10.html":                     "com10.html",
		"/binary/a.html":                  "binary/a.html",
		"/.well-known/acme.txt":           ".well-known/acme.txt",
		"/a%23b.html":                     "a#b.html",
		"/page.html?../%2e%2e/%00":        "page.html",
		"http://other.example/page.html":  "page.html",
		"http://other.example/page.html?": "page.html",
		"/inner.html":                     "page.html",
		"/inside/page.html":               "dir/page.html",
		"/deep/up.html":                   "page.html",
	} {
		if link := strings.HasPrefix(target, "/in") || target == "/deep/up.html"; link && !links(t) {
			continue
		}
		resp := f.get(target)
		if resp.StatusCode != 200 || resp.body != want {
			t.Errorf("GET %q: got %d %q, want 200 %q", target, resp.StatusCode, resp.body, want)
		}
	}
}

func TestLinksOutOfTheRoot(t *testing.T) {
	f := start(t, []string{
		"../secret.txt", "../other/secret.txt", "../other/app.dll",
		"out.txt>../secret.txt", "out>../other", "root>/", "chain.txt>out.txt", "dir/", "dir/out.txt>../../secret.txt", "loop.txt>loop.txt",
		"app.dll>../other/app.dll",
	}, dllApp)
	for _, target := range []string{
		"/out.txt", "/out/secret.txt", "/out/", "/out", "/root/etc/passwd", "/chain.txt", "/dir/out.txt", "/loop.txt", "/app.dll", "/out/app.dll",
	} {
		if resp := f.get(target); resp.StatusCode != 404 && resp.StatusCode != 403 || strings.Contains(resp.body, "secret") {
			t.Errorf("GET %q: got %d %q, want 403 or 404", target, resp.StatusCode, resp.body)
		}
	}
}

// net/http answers what is not HTTP before a site sees it; what it lets through must still be answered.
func TestTargetForms(t *testing.T) {
	f := start(t, []string{"page.html", "index.html"}, "")
	tests := []struct {
		method, target string
		want           int
	}{
		{"OPTIONS", "*", 200},
		{"GET", "*", 400},
		{"GET", "http://other.example", 200},
		{"GET", "http://other.example/..", 400},
		{"CONNECT", "other.example:443", 405},
		{"GET", "page.html", 400},
		{"GET", "mailto:a@b", 400},
		{"OPTIONS", "/page.html", 200},
		{"TRACE", "/page.html", 405},
		{"BREW", "/page.html", 405},
	}
	for _, tt := range tests {
		resp := f.raw(tt.method, tt.target)
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s: got %d, want %d", tt.method, tt.target, resp.StatusCode, tt.want)
		}
		if tt.method == "OPTIONS" && !strings.Contains(resp.Header.Get("Allow"), "GET") {
			t.Errorf("%s %s: Allow is %q", tt.method, tt.target, resp.Header.Get("Allow"))
		}
	}
}
