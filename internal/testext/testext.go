// Package testext gives tests real extensions: it compiles the fixtures in testdata/ext, the examples, and sources of
// a test's own. Libraries are kept in the user's cache folder under a hash of everything they are made of, so that test
// binaries share them; a test that replaces or writes to an image must copy it first.
//
// Without a compiler a test is skipped, but fails when the environment says CI.
package testext

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/toolchain"
)

// Fixture compiles testdata/ext/<name>.c, .cpp or .pas, and answers the path of the library. Flags, such as "-DVERSION=2", make
// another library of the same source.
func Fixture(t testing.TB, name string, flags ...string) string {
	t.Helper()
	return compile(t, source(t, filepath.Join(Root(t), "testdata", "ext"), name+".*"), flags...)
}

// Example compiles examples/<name>: its one source in C, C++ or Pascal, or else its Go package.
func Example(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(Root(t), "examples", name)
	if _, err := os.Stat(filepath.Join(dir, "main.go")); err == nil {
		return buildGo(t, dir)
	}
	return compile(t, source(t, dir, "*"))
}

// Source compiles code, which is C. The library is called source.so.
func Source(t testing.TB, code string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "source.c")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return compile(t, file)
}

// Compile compiles a source file of the test's own folder.
func Compile(t testing.TB, file string) string {
	t.Helper()
	file, err := filepath.Abs(file)
	check(t, err)
	return compile(t, file)
}

// Root is the folder of the module, found from the working folder upwards.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var root = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working folder: run the tests in the module")
		}
		dir = filepath.Dir(dir)
	}
})

// source is the only file in dir that matches pattern and that a compiler takes.
func source(t testing.TB, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		if toolchain.CanCompile(name) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s in %s: want one source, found %d: %s", pattern, dir, len(found), strings.Join(found, " "))
	}
	return found[0]
}

// missing ends the test for want of a compiler.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}
