package executortest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	hosting "github.com/isapid/isapid/internal/server"
)

// testLoad: what cannot be loaded is told in one sentence, and loads when it is repaired, without anything else being done.
func testLoad(t *testing.T, s *suite) {
	hello := s.fixture(t, "hello")
	library, err := os.ReadFile(hello)
	if err != nil {
		t.Fatal(err)
	}
	const version = "#include <httpext.h>\nBOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { (void)v; return TRUE; }\n"
	const proc = "#include <httpext.h>\nDWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) { (void)e; return 1; }\n"
	const filter = "int GetFilterVersion(void *v) { return v != 0; }\nunsigned HttpFilterProc(void *c, unsigned t, void *n) { return c && t && n; }\n"
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want string // PATH, FILE and HALF stand for the file and half of its size
	}{
		{"nothing there", func(*testing.T, string) {}, `stage "PATH": `},
		{"directory", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) },
			`stage "PATH": it is a directory; name the library in it`},
		{"empty", content(nil), "FILE: an empty file: the copy failed or has not begun; copy the library again"},
		{"text", content([]byte("not a library\n")),
			"FILE: a text or source file, not a shared library: compile it, or name the shared library itself (.so or .dll)"},
		{"half", content(library[:len(library)/2]), "but the file has HALF; wait for the copy to end, or copy it again"},
		{"no GetExtensionVersion", s.library(proc),
			"FILE: exports HttpExtensionProc but not GetExtensionVersion, and needs both: export it, too"},
		{"no HttpExtensionProc", s.library(version),
			"FILE: exports GetExtensionVersion but not HttpExtensionProc, and needs both: export it, too"},
		{"neither", s.library("int x;\n"), "FILE: exports neither GetExtensionVersion and HttpExtensionProc (an extension) nor " +
			"GetFilterVersion and HttpFilterProc (a filter): it is another library, or its entry points are not exported"},
		{"filter", s.library(filter), "it is a filter: list it under filters; it does not export GetExtensionVersion and HttpExtensionProc, which every extension must"},
		{"no such function", s.library("void nowhere_to_be_found(void);\n__attribute__((constructor)) static void f(void) { nowhere_to_be_found(); }\n" +
			version + proc), "FILE: undefined symbol: nowhere_to_be_found"},
		{"other processor", foreign("aarch64-linux-gnu-gcc"), "FILE: 64-bit Linux shared library (arm64); this is 64-bit Linux (" + runtime.GOARCH +
			"): it needs an isapid built for arm64, or has to be built for " + runtime.GOARCH},
		{"32 bits", foreign("i686-linux-gnu-gcc"), "FILE: 32-bit Linux shared library (386); this is 64-bit Linux (" + runtime.GOARCH +
			"): it needs an isapid built for 386, or has to be built for " + runtime.GOARCH},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := "ext" + s.ending()
			path := filepath.Join(t.TempDir(), file)
			if s.windows() && strings.Contains(c.want, "Linux") {
				t.Skip("not on Windows: libraries for Linux are one kind there")
			}
			if s.windows() && strings.Contains(c.want, "undefined symbol") {
				t.Skip("not on Windows: such a DLL cannot be linked")
			}
			c.make(t, path)
			want := strings.NewReplacer("PATH", path, "FILE", file).Replace(c.want)
			if st, err := os.Stat(path); err == nil {
				want = strings.ReplaceAll(want, "HALF", strconv.FormatInt(st.Size(), 10))
			}
			refuses(t, s, path, want)
			must(t, os.RemoveAll(path))
			content(library)(t, path)
			srv := s.serveImage(t, path, executor.Options{}, hosting.Binding{})
			if res := srv.get(""); res.StatusCode != 200 {
				t.Errorf("repaired: %s", res.Status)
			}
		})
	}
}

// content makes a file of bytes.
func content(b []byte) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		must(t, os.WriteFile(path, b, 0o700))
	}
}

// library makes one of C.
func (s *suite) library(code string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		b, err := os.ReadFile(s.source(t, code))
		must(t, err)
		content(b)(t, path)
	}
}

// foreign makes a library for another processor.
func foreign(compiler string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		gcc(t, compiler, path, "int GetExtensionVersion(void *v) { return v != 0; }\nunsigned HttpExtensionProc(void *e) { return e != 0; }\n")
	}
}

// gcc runs a compiler of that kind, or skips the test if there is none.
func gcc(t *testing.T, compiler, path, code string, flags ...string) {
	t.Helper()
	if _, err := exec.LookPath(compiler); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), compiler, append([]string{"-shared", "-fPIC", "-nostdlib", "-o", path, "-xc", "-"}, flags...)...)
	cmd.Stdin = strings.NewReader(code)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler, err, said)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
