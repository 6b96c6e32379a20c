package sdk_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/sdk"
)

var strict = []string{"-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"}

// compilers are those the headers promise to work with. Only the first two are required.
var compilers = []struct {
	name     string
	command  []string
	required bool
}{
	{"c99", []string{"gcc", "-std=c99", "-xc"}, true},
	{"c++11", []string{"g++", "-std=c++11", "-xc++"}, true},
	{"gnu", []string{"gcc", "-xc"}, true},
	{"c++20", []string{"g++", "-std=c++20", "-xc++"}, true},
	{"clang", []string{"clang", "-std=c99", "-xc"}, false},
	{"i686", []string{"i686-linux-gnu-gcc", "-std=c99", "-xc"}, false},
	{"aarch64", []string{"aarch64-linux-gnu-gcc", "-std=c99", "-xc"}, false},
}

// need ends the test when a compiler is not here.
func need(t *testing.T, compiler string, required bool) {
	t.Helper()
	if _, err := exec.LookPath(compiler); err == nil {
		return
	}
	if required && os.Getenv("CI") != "" {
		t.Fatalf("no %s", compiler)
	}
	t.Skipf("no %s", compiler)
}

func run(t *testing.T, command ...string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, said)
	}
	return string(said)
}

func TestLayouts(t *testing.T) {
	for _, c := range compilers {
		t.Run(c.name, func(t *testing.T) {
			need(t, c.command[0], c.required)
			run(t, append(append(c.command[:len(c.command):len(c.command)], strict...), "-fsyntax-only", "-Ic", "testdata/layout.c")...)
		})
	}
}

// TestHeadersStandAlone compiles each header by itself, without a warning.
func TestHeadersStandAlone(t *testing.T) {
	headers, err := filepath.Glob("c/*.h")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"c/win/*.h", "c/alias/*.h"} {
		more, err := filepath.Glob(dir)
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, more...)
	}
	if len(headers) < 10 {
		t.Fatalf("found only %q", headers)
	}
	for _, c := range compilers {
		t.Run(c.name, func(t *testing.T) {
			need(t, c.command[0], c.required)
			for _, h := range headers {
				run(t, append(append(c.command[:len(c.command):len(c.command)], strict...), "-D_GNU_SOURCE", "-fsyntax-only", "-Ic", "-include", h, "/dev/null")...)
			}
		})
	}
}

// TestWindowsFunctions runs a program that tries every function group of windows.h.
func TestWindowsFunctions(t *testing.T) {
	for _, c := range compilers[:2] {
		t.Run(c.name, func(t *testing.T) {
			need(t, c.command[0], c.required)
			program := filepath.Join(t.TempDir(), "windows-test")
			run(t, append(append(c.command[:len(c.command):len(c.command)], strict...), "-O2", "-Ic", "-o", program, "testdata/windows.c", "-ldl")...)
			run(t, program)
		})
	}
}

// TestStepsAside compiles against the headers of Windows, which must be the ones that are used.
func TestStepsAside(t *testing.T) {
	const compiler = "x86_64-w64-mingw32-gcc"
	need(t, compiler, false)
	file := filepath.Join(t.TempDir(), "aside.c")
	code := "#include <httpext.h>\n#include <httpfilt.h>\n" +
		"#ifndef _WINBASE_\n#error not the windows.h of Windows\n#endif\n" +
		"#ifdef ISAPID_WIN_TYPES_H\n#error ours as well\n#endif\n" +
		"EXTENSION_CONTROL_BLOCK block; int code = HSE_REQ_GET_FILE_DESCRIPTOR;\n" +
		"HTTP_FILTER_CONTEXT context; enum SF_REQ_TYPE request = SF_REQ_GET_FILE_DESCRIPTOR;\n"
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, compiler, "-Wall", "-Werror", "-fsyntax-only", "-Ic", file)
}

func TestExtract(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "sdk")
	for range 2 { // the second time over the first
		if err := sdk.Extract(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"c/httpext.h", "c/windows.h", "c/win/types.h", "c/alias/HttpExt.h", "c/httpfilt.h", "c/alias/HttpFilt.h", "cpp/isapi.hpp", "cpp/isapi_filter.hpp", "pascal/isapi.pas"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s differs", name)
		}
	}
}

// TestOnlyForAuthors: nothing is embedded but what a compiler of extensions reads.
func TestOnlyForAuthors(t *testing.T) {
	kinds := map[string]int{".h": 0, ".hpp": 0, ".pas": 0, ".inc": 0}
	err := fs.WalkDir(sdk.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if _, ok := kinds[filepath.Ext(name)]; !ok || strings.Contains(name, "testdata") {
			t.Errorf("%s is part of the SDK", name)
		}
		kinds[filepath.Ext(name)]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for kind, n := range kinds {
		if n == 0 {
			t.Errorf("the SDK has no %s", kind)
		}
	}
}

func TestExtractSaysWhy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := sdk.Extract(file)
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names the path", err)
	}
}
