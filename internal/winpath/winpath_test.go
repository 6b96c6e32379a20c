package winpath

import (
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	for _, c := range []struct{ unix, windows string }{
		{"", ""},
		{"/", `Z:\`},
		{"/srv/www/a.dll", `Z:\srv\www\a.dll`},
		{"/srv/www/", `Z:\srv\www\`},
		{"/srv//www", `Z:\srv\\www`},
		{"/srv/./../x", `Z:\srv\.\..\x`},
		{"sub/a", `sub\a`},
		{"/Größe/日本", `Z:\Größe\日本`},
		{`/a\b`, "Z:\\a\uf05cb"},
		{`/a:b*c?d"e<f>g|h`, "Z:\\a\uf03ab\uf02ac\uf03fd\uf022e\uf03cf\uf03eg\uf07ch"},
		{"/a\nb\x1f", "Z:\\a\uf00ab\uf01f"},
		{"/end.", "Z:\\end\uf02e"},
		{"/end. .", "Z:\\end\uf02e\uf020\uf02e"},
		{"/in.the middle.x", `Z:\in.the middle.x`},
		{"/...", "Z:\\\uf02e\uf02e\uf02e"},
		{"/con", "Z:\\\uf063on"},
		{"/NUL.txt/x", "Z:\\\uf04eUL.txt\\x"},
		{"/com1", "Z:\\\uf063om1"},
		{"/lpt9.a.b", "Z:\\\uf06cpt9.a.b"},
		{"/com10", `Z:\com10`},
		{"/comlpt1", `Z:\comlpt1`},
		{"/com", `Z:\com`},
		{"/console", `Z:\console`},
		{"/aux ", "Z:\\\uf061ux\uf020"},
		{"/\xff\xc3", "Z:\\\uf0ff\uf0c3"},
		{"/\uf05c", "Z:\\\uf0ef\uf081\uf09c"},
		{"/\ufffd", "Z:\\\ufffd"},
	} {
		if got := FromUnix(c.unix); got != c.windows {
			t.Errorf("FromUnix(%q) = %q, want %q", c.unix, got, c.windows)
		}
		if got, err := ToUnix(c.windows); got != c.unix || err != nil {
			t.Errorf("ToUnix(%q) = %q, %v, want %q", c.windows, got, err, c.unix)
		}
	}
}

func TestToUnix(t *testing.T) {
	for windows, unix := range map[string]string{
		`z:/srv/x\y`:          "/srv/x/y",
		`\\?\Z:\srv\a`:        "/srv/a",
		`\??\z:\srv\a`:        "/srv/a",
		`\srv\a`:              "/srv/a",
		`/srv/a`:              "/srv/a",
		`Z:\srv\..\etc`:       "/srv/../etc",
		`C:\windows\system32`: "",
		`Z:`:                  "",
		`Z:a`:                 "",
		`\\host\share\a`:      "",
		`//host/share`:        "",
		`\\?\UNC\host\share`:  "",
		`\\.\pipe\x`:          "",
		`Z:\a:stream`:         "",
		"Z:\\a\uf000":         "",
	} {
		got, err := ToUnix(windows)
		if got != unix || (err == nil) != (unix != "") {
			t.Errorf("ToUnix(%q) = %q, %v, want %q", windows, got, err, unix)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "path ") {
			t.Errorf("%v is no sentence", err)
		}
	}
}

// FuzzPaths: a path comes back as it was, has nothing in it that means something else to Windows, and begins with its folder's.
func FuzzPaths(f *testing.F) {
	for _, s := range []string{"/srv/www/a.dll", `/a\..\b`, "/con/nul.txt", "/a. /b", "/\xff/\uf0aa", "relative/x", "/a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		windows := FromUnix(path)
		rest := windows
		if strings.HasPrefix(path, "/") {
			var ok bool
			if rest, ok = strings.CutPrefix(windows, `Z:\`); !ok {
				t.Fatalf("%q becomes %q", path, windows)
			}
		}
		if strings.ContainsAny(rest, "/:*?\"<>|\x00\n") || strings.Count(windows, `\`) != strings.Count(path, "/") {
			t.Errorf("%q becomes %q", path, windows)
		}
		for name := range strings.SplitSeq(rest, `\`) {
			if device(name) || name != "." && name != ".." && strings.TrimRight(name, ". ") != name {
				t.Errorf("%q becomes %q, with the name %q", path, windows, name)
			}
		}
		for i := range len(path) {
			if path[i] == '/' && !strings.HasPrefix(windows, FromUnix(path[:i])) {
				t.Errorf("%q becomes %q, and %q %q", path, windows, path[:i], FromUnix(path[:i]))
			}
		}
		back, err := ToUnix(windows)
		switch {
		case strings.HasPrefix(path, "//"), strings.Contains(path, "\x00"): // another computer; no path at all
		case err != nil || back != path:
			t.Errorf("%q becomes %q becomes %q, %v", path, windows, back, err)
		}
	})
}
