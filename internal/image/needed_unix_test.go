//go:build unix

package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// libraryFor builds dir/name with the SONAME name; code after it may need others of the folder.
func libraryFor(t *testing.T, dir, name, source string, flags ...string) {
	t.Helper()
	compile(t, "gcc", dir, name, source, append([]string{"-shared", "-fPIC", "-Wl,--no-as-needed", "-nostdlib", "-Wl,-soname," + name}, flags...)...)
}

func TestNeeded(t *testing.T) {
	need(t, "gcc")
	tests := []struct {
		name  string
		flags []string // of the image, with DIR for its folder
		env   string   // LD_LIBRARY_PATH
		move  string   // where the library goes after linking, below DIR
		found bool
	}{
		{"nowhere", nil, "", "away", false},
		{"own folder", nil, "", ".", true},
		{"runpath", []string{"-Wl,--enable-new-dtags,-rpath,$ORIGIN/lib"}, "", "lib", true},
		{"rpath", []string{"-Wl,--disable-new-dtags,-rpath,${ORIGIN}/lib"}, "", "lib", true},
		{"second of runpath", []string{"-Wl,-rpath,/nonexistent:$ORIGIN/lib"}, "", "lib", true},
		{"absolute runpath", []string{"-Wl,-rpath,DIR/lib"}, "", "lib", true},
		{"other runpath", []string{"-Wl,-rpath,$ORIGIN/other"}, "", "lib", false},
		{"environment", nil, "/nonexistent:DIR/lib", "lib", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			libraryFor(t, dir, "libprice.so", "int price(void) { return 1; }")
			flags := []string{"-L" + dir, "-lprice"}
			for _, f := range test.flags {
				flags = append(flags, strings.ReplaceAll(f, "DIR", dir))
			}
			libraryFor(t, dir, "shop.so", extensionSource+"int price(void); int f(void) { return price(); }", flags...)
			path := filepath.Join(dir, test.move, "libprice.so")
			os.MkdirAll(filepath.Dir(path), 0o700)
			if err := os.Rename(filepath.Join(dir, "libprice.so"), path); err != nil {
				t.Fatal(err)
			}
			t.Setenv("LD_LIBRARY_PATH", strings.ReplaceAll(test.env, "DIR", dir))
			i := inspect(t, filepath.Join(dir, "shop.so"))
			want := []Library{{Name: "libprice.so", Path: path, Found: true, Beside: test.name == "own folder"}}
			problem := ""
			if !test.found {
				want = []Library{{Name: "libprice.so"}}
				problem = "shop.so: needs libprice.so, which is not found: install it, or put it beside the image"
			}
			if !reflect.DeepEqual(i.Needed, want) {
				t.Errorf("got %+v, want %+v", i.Needed, want)
			}
			wantError(t, i.LoadableIn(linux64), problem)
			if exe, err := exec.LookPath("ldd"); err == nil && test.move != "." { // the loader is the judge
				out, _ := exec.Command(exe, filepath.Join(dir, "shop.so")).CombinedOutput()
				if ldd := !strings.Contains(string(out), "libprice.so => not found"); ldd != test.found {
					t.Errorf("ldd says\n%s", out)
				}
			}
		})
	}
}

// TestNeededFurtherDown has a library that is there and needs one that is not.
func TestNeededFurtherDown(t *testing.T) {
	need(t, "gcc")
	dir := t.TempDir()
	libraryFor(t, dir, "libtax.so", "int tax(void) { return 1; }")
	libraryFor(t, dir, "libprice.so", "int tax(void); int price(void) { return tax(); }", "-L"+dir, "-ltax", "-Wl,-rpath,$ORIGIN")
	libraryFor(t, dir, "shop.so", extensionSource+"int price(void); int f(void) { return price(); }", "-L"+dir, "-lprice", "-Wl,-rpath,$ORIGIN",
		"-Wl,--allow-shlib-undefined", "-Wl,-rpath-link,"+dir)
	if i := inspect(t, filepath.Join(dir, "shop.so")); i.LoadableIn(linux64) != nil || len(i.Needed) != 1 {
		t.Errorf("all there: got %v, %+v", i.LoadableIn(linux64), i.Needed)
	}
	if err := os.Remove(filepath.Join(dir, "libtax.so")); err != nil {
		t.Fatal(err)
	}
	i := inspect(t, filepath.Join(dir, "shop.so"))
	wantError(t, i.LoadableIn(linux64), "shop.so: needs libtax.so (for "+filepath.Join(dir, "libprice.so")+
		"), which is not found: install it, or put it beside the image")
}

// TestNeededBeside has two libraries, one needing the other, which the loader does not find without a host.
func TestNeededBeside(t *testing.T) {
	need(t, "gcc")
	dir := t.TempDir()
	libraryFor(t, dir, "libtax.so", "int tax(void) { return 1; }")
	libraryFor(t, dir, "libprice.so", "int tax(void); int price(void) { return tax(); }", "-L"+dir, "-ltax")
	libraryFor(t, dir, "shop.so", extensionSource+"int price(void); int f(void) { return price(); }", "-L"+dir, "-lprice", "-Wl,-rpath-link,"+dir)
	i := inspect(t, filepath.Join(dir, "shop.so"))
	price := filepath.Join(dir, "libprice.so")
	want := []Library{{Name: "libprice.so", Path: price, Found: true, Beside: true},
		{Name: "libtax.so", Path: filepath.Join(dir, "libtax.so"), Found: true, Beside: true, By: price}}
	if !reflect.DeepEqual(i.Needed, want) {
		t.Errorf("got %+v, want %+v", i.Needed, want)
	}
}

// TestNeededOtherProcessor has the right name in the first folder, for the wrong processor: the loader passes it over.
func TestNeededOtherProcessor(t *testing.T) {
	need(t, "i686-linux-gnu-gcc")
	dir := t.TempDir()
	for _, sub := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	compile(t, "i686-linux-gnu-gcc", filepath.Join(dir, "one"), "libprice.so", "int price(void) { return 1; }", "-shared", "-fPIC")
	libraryFor(t, filepath.Join(dir, "two"), "libprice.so", "int price(void) { return 1; }")
	libraryFor(t, dir, "shop.so", extensionSource+"int price(void); int f(void) { return price(); }", "-L"+filepath.Join(dir, "two"), "-lprice",
		"-Wl,-rpath,$ORIGIN/one:$ORIGIN/two")
	i := inspect(t, filepath.Join(dir, "shop.so"))
	want := []Library{{Name: "libprice.so", Path: filepath.Join(dir, "two", "libprice.so"), Found: true}}
	if !reflect.DeepEqual(i.Needed, want) {
		t.Errorf("got %+v, want %+v", i.Needed, want)
	}
}

// TestNeededSystem compares with the loader what it finds for a program that is always there.
func TestNeededSystem(t *testing.T) {
	dir := t.TempDir()
	path := compile(t, "gcc", dir, "program", "#include <math.h>\nint main(int n, char **v) { (void)v; return (int)cos(n); }", "-Wl,--no-as-needed", "-lm")
	i := inspect(t, path)
	out, err := exec.Command("ldd", path).CombinedOutput()
	if err != nil {
		t.Skipf("no ldd: %v", err)
	}
	if len(i.Needed) < 2 {
		t.Errorf("needs %+v, want libm and libc at least", i.Needed)
	}
	for _, l := range i.Needed {
		if want := l.Name + " => " + l.Path + " ("; !strings.Contains(string(out), want) {
			t.Errorf("%+v: ldd does not say %q but\n%s", l, want, out)
		}
	}
}

func TestLdCache(t *testing.T) {
	if got := parseLdCache([]byte("glibc-ld.so.cache1.1\xff\xff\xff\xff")); got != nil {
		t.Errorf("cut header: got %v", got)
	}
	whole, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Skip("no loader cache on this system")
	}
	if got := parseLdCache(whole).paths("libc.so.6"); len(got) == 0 || !strings.HasPrefix(got[0], "/") {
		t.Errorf("libc.so.6: got %q", got)
	}
	for n := range min(len(whole), 4096) {
		parseLdCache(whole[:n]).paths("libc.so.6") // must not panic
	}
}

// TestNeededByStaged has a staged copy find what the image has in folders relative to itself.
func TestNeededByStaged(t *testing.T) {
	need(t, "gcc")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	libraryFor(t, filepath.Join(dir, "lib"), "libprice.so", "int price(void) { return 1; }")
	libraryFor(t, dir, "shop.so", extensionSource+"int price(void); int f(void) { return price(); }", "-L"+filepath.Join(dir, "lib"), "-lprice",
		"-Wl,-rpath,$ORIGIN/lib")
	s, err := Stage(filepath.Join(dir, "shop.so"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Remove()
	want := []Library{{Name: "libprice.so", Path: filepath.Join(filepath.Dir(s.Path), "lib", "libprice.so"), Found: true}}
	if i := inspect(t, s.Path); !reflect.DeepEqual(i.Needed, want) || i.SHA256 != s.SHA256 {
		t.Errorf("got %+v, want %+v", i.Needed, want)
	}
	if exe, err := exec.LookPath("ldd"); err == nil { // the loader is the judge
		if out, err := exec.Command(exe, s.Path).CombinedOutput(); err != nil || !strings.Contains(string(out), "libprice.so => "+want[0].Path) {
			t.Errorf("ldd: %v\n%s", err, out)
		}
	}
}
