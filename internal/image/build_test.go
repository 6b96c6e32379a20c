package image

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext/build"
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

// need skips the test without a compiler; where every compiler must be there, a missing one fails it.
func need(t testing.TB, name string) {
	t.Helper()
	err := command(t, name, "--version")
	if name == "fpc" {
		err = command(t, name, "-iV")
	}
	switch {
	case err == nil:
		return
	case os.Getenv("CI") != "":
		t.Fatalf("compiler %q is needed: %v", name, err)
	}
	t.Skipf("no compiler %q", name)
}

// command runs a compiler. Where there is none, under Wine, a server outside does; see hack/wineexec.
func command(t testing.TB, args ...string) error {
	t.Helper()
	if server := os.Getenv(build.ServerVariable); server != "" {
		args = slices.Clone(args)
		for i := range args {
			args[i] = outside(t, args[i])
		}
		_, err := build.Ask(t.Context(), server, build.Request{Command: args})
		return err
	}
	said, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%q: %w\n%s", args, err, said)
	}
	return nil
}

// outside is an argument whose end, from a drive on, is a path.
func outside(t testing.TB, arg string) string {
	t.Helper()
	at := strings.Index(arg, `:\`) - 1
	if at < 0 {
		return arg
	}
	path, err := build.Outside(arg[at:])
	if err != nil {
		t.Fatal(err)
	}
	return arg[:at] + path
}

// compile compiles source to dir/name and returns the path.
func compile(t testing.TB, cc, dir, name, source string, flags ...string) string {
	t.Helper()
	need(t, cc)
	suffix := ".c"
	if cc == "g++" {
		suffix = ".cc"
	}
	src := write(t, t.TempDir(), "source"+suffix, source)
	out := filepath.Join(dir, name)
	if err := command(t, append([]string{cc, "-o", out, src}, flags...)...); err != nil {
		t.Fatal(err)
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
