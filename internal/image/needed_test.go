package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNeededDLL(t *testing.T) {
	const cc = "i686-w64-mingw32-gcc"
	dir := t.TempDir()
	compile(t, cc, dir, "Price.dll", "__declspec(dllexport) int price(void) { return 1; }", "-shared", "-Wl,--out-implib,"+filepath.Join(dir, "price.lib"))
	path := compile(t, cc, dir, "shop.dll", extensionSource+"int price(void); EXPORT int f(void) { return price(); }", "-shared", filepath.Join(dir, "price.lib"))
	windows := Host{System: "windows", Arch: "386"}
	i := inspect(t, path)
	if err := i.LoadableIn(windows); err != nil {
		t.Error(err)
	}
	system := false
	for _, l := range i.Needed {
		system = system || l.System && strings.EqualFold(l.Name, "kernel32.dll")
		if l.Name == "Price.dll" && l.Path != filepath.Join(dir, "Price.dll") {
			t.Errorf("got %+v", l)
		}
	}
	if !system {
		t.Errorf("KERNEL32.dll does not count as supplied by Windows: %+v", i.Needed)
	}
	if err := os.Rename(filepath.Join(dir, "Price.dll"), filepath.Join(dir, "PRICE.DLL")); err != nil {
		t.Fatal(err)
	}
	if err := inspect(t, path).LoadableIn(windows); err != nil {
		t.Errorf("name in other case: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "PRICE.DLL")); err != nil {
		t.Fatal(err)
	}
	wantError(t, inspect(t, path).LoadableIn(windows), "shop.dll: needs Price.dll, which is not found: install it, or put it beside the image")
}

func TestLibc(t *testing.T) {
	i := &Info{Path: "a.so", Format: FormatELF, System: "linux", Arch: "amd64", Bits: 64, Type: TypeLibrary, Kind: KindFilter,
		Libc: libc([]string{"libz.so.1", "libc.musl-x86_64.so.1"}, "linux")}
	wantError(t, i.LoadableIn(linux64), "a.so: built for the C library musl, but this process uses glibc, and one process cannot have both: "+
		"build it against glibc, or use an isapid built for musl")
	wantError(t, i.LoadableIn(Host{System: "linux", Arch: "amd64", Libc: "musl"}), "")
	wantError(t, i.LoadableIn(Host{System: "linux", Arch: "amd64", Libc: ""}), "")
}
