//go:build unix

package toolchain_test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isapid/isapid/internal/toolchain"
)

const hello = `#include <stdio.h>
#include <HttpExt.h>
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = HSE_VERSION; return TRUE; }
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) { (void)e; return HSE_STATUS_SUCCESS; }
`

const pascal = `library hello;
{$mode objfpc}
function GetExtensionVersion(v: pointer): longint; cdecl;
begin GetExtensionVersion := ord(v <> nil) end;
function HttpExtensionProc(e: pointer): dword; cdecl;
begin HttpExtensionProc := ord(e <> nil) end;
exports GetExtensionVersion, HttpExtensionProc;
begin end.
`

func write(t *testing.T, name, code string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func need(t *testing.T, compiler string) {
	t.Helper()
	if _, err := exec.LookPath(compiler); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func TestCompile(t *testing.T) {
	for _, c := range []struct{ file, compiler, code string }{
		{"hello.c", "cc", hello},
		{"hello.cpp", "c++", hello},
		{"hello.CC", "c++", hello},
		{"two words.cxx", "c++", hello},
		{"hello.pas", "fpc", pascal},
		{"hello.lpr", "fpc", pascal},
	} {
		t.Run(c.file, func(t *testing.T) {
			need(t, c.compiler)
			source := write(t, c.file, c.code)
			out := filepath.Join(t.TempDir(), "out")
			lib, err := toolchain.Compile(t.Context(), source, out, toolchain.Options{})
			if err != nil {
				t.Fatal(err)
			}
			base, _, _ := strings.Cut(c.file, ".")
			if want := filepath.Join(out, base+".so"); lib != want {
				t.Errorf("library is %q, want %q", lib, want)
			}
			if got := exports(t, lib); !slices.Contains(got, "GetExtensionVersion") || !slices.Contains(got, "HttpExtensionProc") {
				t.Errorf("exports are %q", got)
			}
			entries, err := os.ReadDir(out)
			if err != nil {
				t.Fatal(err)
			}
			if len(entries) != 1 {
				t.Errorf("the output folder holds %v, want the library only", entries)
			}
			info, err := os.Stat(out)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o700 {
				t.Errorf("the output folder has mode %v", info.Mode())
			}
		})
	}
}

func exports(t *testing.T, lib string) []string {
	t.Helper()
	f, err := elf.Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			names = append(names, s.Name)
		}
	}
	return names
}

// TestReplaces: a library that is loaded must not change under who loaded it.
func TestReplaces(t *testing.T) {
	need(t, "cc")
	source, out := write(t, "hello.c", hello), t.TempDir()
	var files [2]os.FileInfo
	for i := range files {
		lib, err := toolchain.Compile(t.Context(), source, out, toolchain.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(lib)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if files[i], err = f.Stat(); err != nil {
			t.Fatal(err)
		}
	}
	if os.SameFile(files[0], files[1]) {
		t.Error("the second compilation wrote into the file of the first")
	}
}

func TestWarningsAreShown(t *testing.T) {
	need(t, "cc")
	source := write(t, "warn.c", hello+"static int unused;\n")
	var said bytes.Buffer
	_, err := toolchain.Compile(t.Context(), source, t.TempDir(), toolchain.Options{Warnings: &said})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "unused") {
		t.Errorf("the compiler said %q, want a warning about unused", said.String())
	}
}

// TestNoUniqueSymbols: with one the library could never be unloaded.
func TestNoUniqueSymbols(t *testing.T) {
	need(t, "g++")
	source := write(t, "unique.cpp", "inline int count() { static int n; return ++n; }\nint use() { return count(); }\n")
	lib, err := toolchain.Compile(t.Context(), source, t.TempDir(), toolchain.Options{Compiler: "g++"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	const unique = 10 // STB_GNU_UNIQUE
	for _, s := range symbols {
		if elf.ST_BIND(s.Info) == unique {
			t.Errorf("%s is a unique symbol", s.Name)
		}
	}
}

func TestOptions(t *testing.T) {
	need(t, "cc")
	more := write(t, "more.c", "int more(void) { return MORE; }\n")
	o := toolchain.Options{Compiler: "env cc", Flags: []string{"-DMORE=1"}, Sources: []string{more}}
	lib, err := toolchain.Compile(t.Context(), write(t, "hello.c", hello), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := exports(t, lib); !slices.Contains(got, "more") {
		t.Errorf("exports are %q, want more among them", got)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ file, compiler, want string }{
		{"bad.c", "cc", "error"},
		{"bad.cpp", "c++", "error"},
		{"bad.pas", "fpc", "Fatal"},
	} {
		t.Run(c.file, func(t *testing.T) {
			need(t, c.compiler)
			source, out := write(t, c.file, "this is no program\n"), t.TempDir()
			_, err := toolchain.Compile(t.Context(), source, out, toolchain.Options{})
			var refused *toolchain.CompileError
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a CompileError", err)
			}
			if refused.Source != source || !strings.Contains(refused.Output, c.want) || !strings.Contains(err.Error(), refused.Output[:20]) {
				t.Errorf("the error is %v, of %q", err, refused.Source)
			}
			entries, err := os.ReadDir(out)
			if err != nil || len(entries) > 0 {
				t.Errorf("the output folder holds %v (%v), want nothing", entries, err)
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		name, source, want string
	}{
		{"unknown language", write(t, "x.rs", ""), `".rs"`},
		{"no such file", filepath.Join(t.TempDir(), "gone.c"), "gone.c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := toolchain.Compile(t.Context(), c.source, t.TempDir(), toolchain.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %s", err, c.want)
			}
		})
	}
}

func TestMissingCompiler(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, env := range []string{"CC", "CXX", "FPC"} {
		t.Setenv(env, "")
	}
	for file, pkg := range map[string]string{"x.c": "gcc", "x.cpp": "g++", "x.pas": "fp-compiler"} {
		_, err := toolchain.Compile(t.Context(), write(t, file, ""), t.TempDir(), toolchain.Options{})
		var missing *toolchain.MissingError
		if !errors.As(err, &missing) || missing.Package != pkg || !strings.Contains(err.Error(), pkg) {
			t.Errorf("%s: got %v, want a MissingError that names %s", file, err, pkg)
		}
	}
	t.Setenv("CC", "nosuchcc -O2")
	_, err := toolchain.Compile(t.Context(), write(t, "x.c", ""), t.TempDir(), toolchain.Options{})
	if err == nil || !strings.Contains(err.Error(), `"nosuchcc"`) {
		t.Errorf("got %v, want an error that names the compiler CC asks for", err)
	}
}

// TestCancel uses a compiler whose child hangs: both must be gone when Compile returns.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "pid")
	driver := filepath.Join(dir, "driver")
	script := "#!/bin/sh\nsleep 1000 &\necho $! >" + pidFile + ".new\nmv " + pidFile + ".new " + pidFile + "\nwait\n"
	if err := os.WriteFile(driver, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := toolchain.Compile(ctx, write(t, "x.c", ""), t.TempDir(), toolchain.Options{Compiler: driver})
		done <- err
	}()
	var pid int
	for pid == 0 {
		if text, err := os.ReadFile(pidFile); err == nil {
			if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	for alive(pid) { // until its new parent has buried it
		time.Sleep(time.Millisecond)
	}
}

// alive tells whether a process runs; one that is dead but not yet waited for does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
