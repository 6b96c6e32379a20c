package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The libraries of the tests. EXPORT makes a function visible to a host on both systems.
const (
	prelude = `
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif
`
	extensionSource = prelude + `
EXPORT int GetExtensionVersion(void *v) { (void)v; return 1; }
EXPORT unsigned HttpExtensionProc(void *ecb) { (void)ecb; return 1; }
EXPORT int TerminateExtension(unsigned flags) { (void)flags; return 1; }
`
	filterSource = prelude + `
EXPORT int GetFilterVersion(void *v) { (void)v; return 1; }
EXPORT unsigned HttpFilterProc(void *c, unsigned type, void *n) { (void)c; (void)type; (void)n; return 0; }
`
)

// compiler returns the path of a compiler, or skips the test; where every compiler must be there, a missing one fails it.
func compiler(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") != "":
		t.Fatalf("compiler %q is needed: %v", name, err)
	}
	t.Skipf("no compiler %q", name)
	return ""
}

// build compiles source to dir/name and returns the path.
func build(t testing.TB, cc, dir, name, source string, flags ...string) string {
	t.Helper()
	cc = compiler(t, cc)
	suffix := ".c"
	if filepath.Base(cc) == "g++" {
		suffix = ".cc"
	}
	src := write(t, t.TempDir(), "source"+suffix, source)
	out := filepath.Join(dir, name)
	args := append([]string{"-o", out, src}, flags...)
	if msg, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", cc, args, err, msg)
	}
	return out
}

func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func inspect(t testing.TB, path string) *Info {
	t.Helper()
	i, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// want compares the message of an error with a text, of which "" stands for no error.
func wantError(t testing.TB, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("got error\n  %s\nwant\n  %s", got, want)
	}
}
