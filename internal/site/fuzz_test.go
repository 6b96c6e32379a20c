package site

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/isapid/isapid/internal/config"
)

// Whatever path is sent: when it is not refused, it lies in a directory of the site and names nothing special.
func FuzzMapPath(f *testing.F) {
	for _, raw := range []string{
		"/", "/a/b.html", "/img/x", "/image", "/..", "/%2e%2e/x", "/a%5c..", "/a%252fb", "/%u002e", "/nul.txt", "/a::$DATA", "/a.", "/.git", "//a//b/",
		"/%c0%ae", "/BIN/x", "/caf%c3%a9", "/COM%c2%b9", "/a%00b", "/100%25",
	} {
		f.Add(raw)
	}
	c := config.Default()
	conf := config.DefaultSite("a", "/srv/www")
	conf.VirtualDirectories = []config.VirtualDirectory{{Path: "/img", Directory: "/srv/images"}}
	s, err := New(c, &conf, (&fixture{}).open, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		p, bad := parsePath(raw)
		if bad != nil {
			if bad.status != 400 && bad.status != 404 {
				t.Errorf("%q: refused with %v", raw, *bad)
			}
			return
		}
		path := filepath.ToSlash(s.physical(p.full()))
		in := func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
		if !in("/srv/www") && !in("/srv/images") {
			t.Errorf("%q is mapped to %q", raw, path)
		}
		if strings.ContainsAny(path, "\\:") || !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl) {
			t.Errorf("%q is mapped to %q, which holds what it must not", raw, path)
		}
		if again := strings.TrimSuffix(path, "/"); again != filepath.ToSlash(filepath.Clean(path)) {
			t.Errorf("%q is mapped to %q, which is not clean", raw, path)
		}
		for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
			if strings.HasPrefix(segment, ".") && segment != ".well-known" || isDevice(segment) || strings.TrimRight(segment, ". ") != segment || strings.EqualFold(segment, "bin") {
				t.Errorf("%q is mapped to %q with the segment %q", raw, path, segment)
			}
		}
		// What one path means, Map must mean too.
		m, err := (&host{site: s}).Map(p.full())
		if err != nil || filepath.ToSlash(m.Path) != path || path[m.MatchedPath:] != p.full()[m.MatchedURL:] {
			t.Errorf("%q: Map says %+v, %v, want %q", raw, m, err, path)
		}
	})
}
