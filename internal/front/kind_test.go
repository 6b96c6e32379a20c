package front

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/pool"
)

func TestKindOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("kinds of a front on Linux")
	}
	for _, c := range []struct {
		system, arch string
		want         kind
		title        string
	}{
		{runtime.GOOS, runtime.GOARCH, native, "p"},
		{"linux", "arm64", native, "p"},
		{"", "", native, "p"}, // no image
		{"windows", "amd64", "amd64", "p:win64"},
		{"windows", "386", "386", "p:win32"},
		{"windows", "arm64", "arm64", "p:arm64"},
	} {
		k := kindOf(&image.Info{System: c.system, Arch: c.arch})
		if title := (crew{group{pool: "p", name: "p"}, k}).title(); k != c.want || title != c.title || k.byWine() != (c.system == "windows") {
			t.Errorf("%s/%s: %q, %q", c.system, c.arch, k, title)
		}
	}
}

// What an operator calls a pool may be a group with images of several kinds.
func TestNamedCrews(t *testing.T) {
	ps := &pools{byCrew: map[crew]*workers{}}
	titles := map[*pool.Pool]string{}
	for _, name := range []string{"a", "b@x", "b@y"} {
		for _, k := range []kind{native, "amd64"} {
			c := crew{group{pool: name[:1], name: name}, k}
			p := &pool.Pool{}
			ps.byCrew[c], titles[p] = &workers{Pool: p}, c.title()
		}
	}
	for name, want := range map[string][]string{
		"a": {"a", "a:win64"}, "a:win64": {"a:win64"}, "b": {"b@x", "b@x:win64", "b@y", "b@y:win64"}, "b@x": {"b@x", "b@x:win64"}, "b@x:win32": nil,
	} {
		var got []string
		for _, p := range ps.named(name) {
			got = append(got, titles[p])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// TestLoadableByPlatform: what a pool says of its workers decides before anything is started.
func TestLoadableByPlatform(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("kinds of a front on Linux")
	}
	f := &Front{wine: newWines(nil, config.Wine{Prefix: t.TempDir(), Workers: t.TempDir()})}
	dll := &image.Info{Path: "/x/a.dll", Format: image.FormatPE, System: "windows", Arch: "amd64", Bits: 64, Type: image.TypeLibrary, Kind: image.KindExtension}
	so := &image.Info{Path: "/x/a.so", Format: image.FormatELF, System: "linux", Arch: runtime.GOARCH, Bits: 64, Type: image.TypeLibrary, Kind: image.KindExtension}
	for _, c := range []struct {
		platform config.Platform
		sandbox  bool
		image    *image.Info
		want     string // part of the error; "": there is none
	}{
		{config.PlatformAuto, false, so, ""},
		{config.PlatformAuto, true, so, ""},
		{config.PlatformNative, false, so, ""},
		{config.PlatformWine, false, so, `"platform: wine"`},
		{config.PlatformNative, false, dll, "it needs a Windows host or Wine"},
		{config.PlatformAuto, true, dll, `"sandbox"`},
	} {
		p := config.DefaultPool()
		if p.Platform = c.platform; c.sandbox {
			p.Sandbox = &config.Sandbox{}
		}
		_, err := f.loadable(p, c.image)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in a pool of %s: %v, want %q", c.image.Path, c.platform, err, c.want)
		}
	}
}
