//go:build unix

package testext

import (
	"context"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext/build"
	"github.com/isapid/isapid/internal/toolchain"
)

// of Windows itself, and its C library.
var systemLibraries = []string{"kernel32.dll", "msvcrt.dll", "user32.dll", "advapi32.dll", "oleaut32.dll", "ntdll.dll"}

// TestDLLs: each is for its machine, exports plain names, and needs nothing beside it.
func TestDLLs(t *testing.T) {
	machines := map[string]uint16{"amd64": pe.IMAGE_FILE_MACHINE_AMD64, "386": pe.IMAGE_FILE_MACHINE_I386}
	for arch, machine := range machines {
		for name, lib := range map[string]func(testing.TB) string{
			"C":      func(t testing.TB) string { return DLL(t, arch, "hello") },
			"C++":    func(t testing.TB) string { return DLL(t, arch, "throw") },
			"Pascal": func(t testing.TB) string { return DLL(t, arch, "pascal_exception") },
			"Go":     func(t testing.TB) string { return ExampleDLL(t, arch, "go-mux") },
		} {
			if arch == "386" && (name == "Go" || name == "Pascal") {
				continue // the SDK for Go says that this cannot be; Debian has no such compiler for Pascal
			}
			t.Run(arch+"/"+name, func(t *testing.T) {
				path := lib(t)
				if filepath.Ext(path) != ".dll" {
					t.Errorf("the library is %q", path)
				}
				f, err := pe.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if f.Machine != machine {
					t.Errorf("it is for machine %#x, want %#x", f.Machine, machine)
				}
				for _, want := range []string{"GetExtensionVersion", "HttpExtensionProc"} {
					if got := exported(t, f); !slices.Contains(got, want) {
						t.Errorf("it exports %q, want %s among them", got, want)
					}
				}
				needs, err := f.ImportedSymbols()
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range needs {
					_, from, _ := strings.Cut(s, ":")
					if !slices.Contains(systemLibraries, strings.ToLower(from)) {
						t.Errorf("it needs %s", s)
					}
				}
			})
		}
	}
}

// exported are the names in the export directory.
func exported(t *testing.T, f *pe.File) []string {
	t.Helper()
	var directory uint32
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader64:
		directory = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress
	case *pe.OptionalHeader32:
		directory = h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress
	}
	at := func(address uint32) []byte {
		for _, s := range f.Sections {
			if address >= s.VirtualAddress && address < s.VirtualAddress+s.Size {
				data, err := s.Data()
				if err != nil {
					t.Fatal(err)
				}
				return data[address-s.VirtualAddress:]
			}
		}
		t.Fatalf("nothing at %#x", address)
		return nil
	}
	table := at(directory)
	var names []string
	count, list := binary.LittleEndian.Uint32(table[24:]), at(binary.LittleEndian.Uint32(table[32:]))
	for i := range count {
		name, _, _ := strings.Cut(string(at(binary.LittleEndian.Uint32(list[4*i:]))), "\x00")
		names = append(names, name)
	}
	return names
}

// TestBuildServer asks as a test binary under Wine does.
func TestBuildServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() {
		defer close(served)
		build.Serve(ctx, l, Root(t))
	}()
	defer func() { cancel(); <-served }()
	addr := l.Addr().String()

	lib, err := build.Ask(t.Context(), addr, build.Request{Code: tiny, Target: "windows/amd64"})
	if err != nil {
		t.Fatal(err)
	}
	if want := SourceDLL(t, "amd64", tiny); lib != want {
		t.Errorf("got %q, want %q", lib, want)
	}
	_, err = build.Ask(t.Context(), addr, build.Request{Code: "this is no program\n", Target: "windows/386"})
	if err == nil || !strings.Contains(err.Error(), "error") {
		t.Errorf("got %v, want what the compiler said", err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = build.Ask(t.Context(), addr, build.Request{Code: tiny + fmt.Sprintf("int n = %d;\n", os.Getpid())})
	var gone *toolchain.MissingError
	if !errors.As(err, &gone) || gone.Package != "gcc" {
		t.Errorf("got %v, want a MissingError that names gcc", err)
	}
}

func TestOutside(t *testing.T) {
	t.Setenv("WINEPREFIX", "/p")
	for path, want := range map[string]string{`Z:\a\b.c`: "/a/b.c", `c:\users\x.c`: "/p/drive_c/users/x.c", `Z:`: "", "": ""} {
		if got, err := build.Outside(path); err != nil || got != want {
			t.Errorf("Outside(%q) = %q, %v, want %q", path, got, err, want)
		}
	}
	if got, err := build.Outside(`Q:\x`); err == nil {
		t.Errorf("Outside answered %q for a drive that is not known", got)
	}
	if got := inside("/a/b.dll"); got != `Z:\a\b.dll` {
		t.Errorf("inside answered %q", got)
	}
}
