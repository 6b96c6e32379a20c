// Package testext gives tests real extensions: it compiles the fixtures in testdata/ext, the examples, and sources of
// a test's own. Libraries are kept in the user's cache folder under a hash of everything they are made of, so that test
// binaries share them; a test that replaces or writes to an image must copy it first.
//
// Without a compiler a test is skipped, but fails when the environment says CI. In a test binary that runs under Wine the
// libraries are DLLs, made by the compilers outside; see hack/wineexec.
package testext

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/isapid/isapid/internal/testext/build"
	"github.com/isapid/isapid/internal/toolchain"
)

// Fixture compiles testdata/ext/<name>.c, .cpp or .pas, and answers the path of the library. Flags, such as "-DVERSION=2", make
// another library of the same source.
func Fixture(t testing.TB, name string, flags ...string) string {
	t.Helper()
	return library(t, build.Request{Source: fixture(t, name), Flags: flags})
}

// DLL is Fixture for windows/arch, which is amd64 or 386, whatever this system is.
func DLL(t testing.TB, arch, name string, flags ...string) string {
	t.Helper()
	return library(t, build.Request{Source: fixture(t, name), Flags: flags, Target: "windows/" + arch})
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	return source(t, filepath.Join(Root(t), "testdata", "ext"), name+".*")
}

// Example compiles examples/<name>: its one source in C, C++ or Pascal, or else its Go package.
func Example(t testing.TB, name string) string {
	t.Helper()
	return library(t, example(t, name))
}

// ExampleDLL is Example for windows/arch.
func ExampleDLL(t testing.TB, arch, name string) string {
	t.Helper()
	r := example(t, name)
	r.Target = "windows/" + arch
	return library(t, r)
}

func example(t testing.TB, name string) build.Request {
	t.Helper()
	dir := filepath.Join(Root(t), "examples", name)
	if _, err := os.Stat(filepath.Join(dir, "main.go")); err == nil {
		return build.Request{Go: dir}
	}
	return build.Request{Source: source(t, dir, "*")}
}

// Source compiles code, which is C. The library is called source.so, or source.dll on Windows.
func Source(t testing.TB, code string) string {
	t.Helper()
	return library(t, build.Request{Code: code})
}

// SourceDLL is Source for windows/arch.
func SourceDLL(t testing.TB, arch, code string) string {
	t.Helper()
	return library(t, build.Request{Code: code, Target: "windows/" + arch})
}

// Compile compiles a source file of the test's own folder.
func Compile(t testing.TB, file string) string {
	t.Helper()
	file, err := filepath.Abs(file)
	check(t, err)
	return library(t, build.Request{Source: file})
}

// Worker builds cmd/isapid-worker for windows/arch and answers the path of the program.
func Worker(t testing.TB, arch string) string {
	t.Helper()
	return program(t, "isapid-worker", "windows/"+arch)
}

// Program builds isapid for this system, or for target, such as "windows/amd64", and answers the path of the program.
func Program(t testing.TB, target string) string {
	t.Helper()
	return program(t, "isapid", target)
}

func program(t testing.TB, name, target string) string {
	t.Helper()
	programsMu.Lock()
	defer programsMu.Unlock()
	key := name + " " + target
	if programs[key] == "" {
		path, err := build.Program(t.Context(), Root(t), name, target)
		check(t, err)
		programs[key] = path
	}
	return programs[key]
}

var (
	programsMu sync.Mutex
	programs   = map[string]string{} // by name and target: built once in a test binary
)

// library answers what was built, here or, in a test binary under Wine, by the server outside.
func library(t testing.TB, r build.Request) string {
	t.Helper()
	lib, err := ask(t.Context(), Root(t), r)
	var gone *toolchain.MissingError
	if errors.As(err, &gone) {
		missing(t, err)
	}
	check(t, err)
	return lib
}

func ask(ctx context.Context, root string, r build.Request) (string, error) {
	addr := os.Getenv(build.ServerVariable)
	if addr == "" || runtime.GOOS != "windows" {
		return build.Library(ctx, root, r)
	}
	for _, path := range []*string{&r.Source, &r.Go} {
		var err error
		if *path, err = build.Outside(*path); err != nil {
			return "", err
		}
	}
	for i, flag := range r.Flags {
		if filepath.IsAbs(flag) { // a library to link with
			path, err := build.Outside(flag)
			if err != nil {
				return "", err
			}
			r.Flags = slices.Clone(r.Flags)
			r.Flags[i] = path
		}
	}
	if r.Target == "" {
		r.Target = "windows/" + runtime.GOARCH
	}
	lib, err := build.Ask(ctx, addr, r)
	if err != nil {
		return "", err
	}
	return inside(lib), nil
}

// inside is the path that a program under Wine knows.
func inside(path string) string { return "Z:" + strings.ReplaceAll(path, "/", `\`) }

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

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
