package image

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// linux64 is the host most of the messages are for.
var linux64 = Host{System: "linux", Arch: "amd64", Libc: "glibc"}

func TestInspectCompiled(t *testing.T) {
	extension := []string{"GetExtensionVersion", "HttpExtensionProc", "TerminateExtension"}
	tests := []struct {
		cc, name, source string
		flags            []string
		system, arch     string
		bits             int
		typ              Type
		kind             Kind
		symbols          []string
		problem          string // of loading it on linux64
	}{
		{"gcc", "proposal.so", extensionSource, []string{"-shared", "-fPIC"}, "linux", "amd64", 64, TypeLibrary, KindExtension,
			extension, ""},
		{"gcc", "sysv.so", extensionSource, []string{"-shared", "-fPIC", "-Wl,--hash-style=sysv"}, "linux", "amd64", 64, TypeLibrary,
			KindExtension, extension, ""},
		{"gcc", "filter.so", filterSource, []string{"-shared", "-fPIC"}, "linux", "amd64", 64, TypeLibrary, KindFilter,
			[]string{"GetFilterVersion", "HttpFilterProc"}, ""},
		{"gcc", "both.so", extensionSource + filterSource, []string{"-shared", "-fPIC"}, "linux", "amd64", 64, TypeLibrary, KindBoth,
			[]string{"GetExtensionVersion", "HttpExtensionProc", "TerminateExtension", "GetFilterVersion", "HttpFilterProc"}, ""},
		{"gcc", "half.so", "int HttpExtensionProc(void) { return 1; }", []string{"-shared", "-fPIC"}, "linux", "amd64", 64, TypeLibrary,
			KindNone, []string{"HttpExtensionProc"},
			"half.so: exports HttpExtensionProc but not GetExtensionVersion, and needs both: export it, too"},
		{"gcc", "hidden.so", extensionSource, []string{"-shared", "-fPIC", "-fvisibility=hidden"}, "linux", "amd64", 64, TypeLibrary,
			KindNone, nil, "hidden.so: exports neither GetExtensionVersion and HttpExtensionProc (an extension) nor " +
				"GetFilterVersion and HttpFilterProc (a filter): it is another library, or its entry points are not exported"},
		{"gcc", "data.so", "int GetExtensionVersion = 1, HttpExtensionProc = 1;", []string{"-shared", "-fPIC"}, "linux", "amd64", 64,
			TypeLibrary, KindNone, nil, "data.so: exports neither GetExtensionVersion and HttpExtensionProc (an extension) nor " +
				"GetFilterVersion and HttpFilterProc (a filter): it is another library, or its entry points are not exported"},
		{"g++", "mangled.so", "int GetExtensionVersion(void *) { return 1; } unsigned HttpExtensionProc(void *) { return 1; }",
			[]string{"-shared", "-fPIC"}, "linux", "amd64", 64, TypeLibrary, KindNone, nil,
			`mangled.so: exports GetExtensionVersion only under a C++ name (_Z19GetExtensionVersionPv): declare it extern "C"`},
		{"gcc", "program", extensionSource + "int main(void) { return 0; }", []string{"-pie", "-fPIE"}, "linux", "amd64", 64,
			TypeExecutable, KindNone, nil,
			"program: an executable program, not a shared library: link it with -shared (a CGI program does not become an extension by that)"},
		{"gcc", "fixed", extensionSource + "int main(void) { return 0; }", []string{"-no-pie"}, "linux", "amd64", 64, TypeExecutable,
			KindNone, nil,
			"fixed: an executable program, not a shared library: link it with -shared (a CGI program does not become an extension by that)"},
		{"gcc", "object.o", extensionSource, []string{"-c"}, "linux", "amd64", 64, TypeObject, KindNone, nil,
			"object.o: an object file, not a shared library: link it with -shared"},
		{"i686-linux-gnu-gcc", "old.so", extensionSource, []string{"-shared", "-fPIC"}, "linux", "386", 32, TypeLibrary, KindExtension,
			extension, "old.so: 32-bit Linux shared library (386); this is 64-bit Linux (amd64): " +
				"it needs an isapid built for 386, or has to be built for amd64"},
		{"aarch64-linux-gnu-gcc", "arm.so", extensionSource, []string{"-shared", "-fPIC"}, "linux", "arm64", 64, TypeLibrary,
			KindExtension, extension, "arm.so: 64-bit Linux shared library (arm64); this is 64-bit Linux (amd64): " +
				"it needs an isapid built for arm64, or has to be built for amd64"},
		{"x86_64-w64-mingw32-gcc", "proposal.dll", extensionSource, []string{"-shared"}, "windows", "amd64", 64, TypeLibrary,
			KindExtension, extension,
			"proposal.dll: 64-bit Windows DLL (amd64); this is 64-bit Linux (amd64): it needs a Windows host or Wine"},
		{"x86_64-w64-mingw32-gcc", "tool.exe", "int main(void) { return 0; }", nil, "windows", "amd64", 64, TypeExecutable, KindNone,
			nil, "tool.exe: 64-bit Windows executable (amd64); this is 64-bit Linux (amd64): it needs a Windows host or Wine"},
		{"i686-w64-mingw32-gcc", "proposal.dll",
			"__declspec(dllexport) int __stdcall TerminateExtension(unsigned f) { return f; }\n" +
				"__declspec(dllexport) int __stdcall GetExtensionVersion(void *v) { return v != 0; }\n" +
				"__declspec(dllexport) int __stdcall HttpExtensionProc(void *v) { return v != 0; }\n",
			[]string{"-shared"}, "windows", "386", 32, TypeLibrary, KindExtension,
			[]string{"GetExtensionVersion@4", "HttpExtensionProc@4", "TerminateExtension@4"},
			"proposal.dll: 32-bit Windows DLL (386); this is 64-bit Linux (amd64): it needs a Windows host or Wine"},
	}
	for _, test := range tests {
		t.Run(test.cc+" "+test.name, func(t *testing.T) {
			path := compile(t, test.cc, t.TempDir(), test.name, test.source, test.flags...)
			i := inspect(t, path)
			if i.Damaged != "" || i.Incomplete != "" {
				t.Fatalf("damaged %q, incomplete %q", i.Damaged, i.Incomplete)
			}
			got := []any{i.System, i.Arch, i.Bits, i.Type}
			if want := []any{test.system, test.arch, test.bits, test.typ}; !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if test.typ == TypeLibrary {
				var symbols []string
				for _, e := range i.Exports {
					symbols = append(symbols, e.Symbol)
				}
				if i.Kind != test.kind || !slices.Equal(symbols, test.symbols) {
					t.Errorf("got %q with %q, want %q with %q", i.Kind, symbols, test.kind, test.symbols)
				}
			}
			sum := sha256.Sum256(read(t, path))
			if i.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("got hash %s, want %x", i.SHA256, sum)
			}
			wantError(t, i.LoadableIn(linux64), test.problem)
		})
	}
}

func TestInspectOtherFiles(t *testing.T) {
	dir := t.TempDir()
	object := compile(t, "gcc", dir, "a.o", extensionSource, "-c")
	archive := filepath.Join(dir, "proposal.a")
	if err := command(t, "ar", "rc", archive, object); err != nil {
		t.Fatal(err)
	}
	const name = "name the shared library itself (.so or .dll)"
	tests := []struct{ path, problem string }{
		{archive, "proposal.a: a static library (archive), which cannot be loaded: link its objects into a shared library"},
		{write(t, dir, "empty.so", ""), "empty.so: an empty file: the copy failed or has not begun; copy the library again"},
		{write(t, dir, "proposal.c", extensionSource), "proposal.c: a text or source file, not a shared library: compile it, or " + name},
		{write(t, dir, "latin1.c", "/* f\xfcr */ int x;\r\n"), "latin1.c: a text or source file, not a shared library: compile it, or " + name},
		{write(t, dir, "MZ.txt", "MZ is how it begins"), "MZ.txt: a text or source file, not a shared library: compile it, or " + name},
		{write(t, dir, "run.sh", "#!/bin/sh\n"), "run.sh: a script, not a shared library: " + name + "; a libtool .la file names it, too"},
		{write(t, dir, "noise", "\x00\x01\x02\x03"), "noise: neither an ELF nor a PE file, so not a shared library: " + name},
		{write(t, dir, "mac.so", "\xcf\xfa\xed\xfe\x07\x00\x00\x01"), "mac.so: a macOS library (Mach-O): build it for " + systemName(runtime.GOOS)},
		{write(t, dir, "dos.exe", "MZ\x90\x00"+strings.Repeat("\x00", 100)), "dos.exe: a DOS or 16-bit Windows program: " +
			"no 32- or 64-bit host can load it; it has to be built anew"},
	}
	if runtime.GOOS != "windows" { // where no file has such a name
		tests = append(tests, struct{ path, problem string }{write(t, dir, "a\x1b[2Jb.so", ""),
			`"a\x1b[2Jb.so": an empty file: the copy failed or has not begun; copy the library again`})
	}
	for _, test := range tests {
		wantError(t, inspect(t, test.path).LoadableIn(linux64), test.problem)
	}
	folder := filepath.Join(dir, "folder.so")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	wantError(t, inspect(t, folder).LoadableIn(linux64), "folder.so: a directory, not a file: "+name)
	_, err := Inspect(filepath.Join(dir, "absent.so"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: got %v", err)
	}
	if _, err = Inspect(os.DevNull); err == nil || !strings.Contains(err.Error(), "neither a file nor a directory") {
		t.Errorf("device: got %v", err)
	}
}

// TestLoadableInThisProcess asks about the process the test runs in, not a described one.
func TestLoadableInThisProcess(t *testing.T) {
	gcc := map[string]string{"windows/amd64": "x86_64-w64-mingw32-gcc", "windows/386": "i686-w64-mingw32-gcc"}[runtime.GOOS+"/"+runtime.GOARCH]
	if err := inspect(t, compile(t, cmp.Or(gcc, "gcc"), t.TempDir(), "a.so", extensionSource, "-shared", "-fPIC")).LoadableHere(); err != nil {
		t.Error(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := inspect(t, exe).LoadableHere(); err == nil || !strings.Contains(err.Error(), "an executable program") {
		t.Errorf("this program: %v", err)
	}
}

// TestIncomplete cuts real images everywhere: no beginning of a file may pass for the file.
func TestIncomplete(t *testing.T) {
	tests := []struct {
		cc    string
		flags []string
	}{
		{"gcc", []string{"-shared", "-fPIC"}},
		{"i686-linux-gnu-gcc", []string{"-shared", "-fPIC"}},
		{"x86_64-w64-mingw32-gcc", []string{"-shared", "-s"}},
		{"i686-w64-mingw32-gcc", []string{"-shared", "-s"}},
	}
	for _, test := range tests {
		t.Run(test.cc, func(t *testing.T) {
			dir := t.TempDir()
			whole := read(t, compile(t, test.cc, dir, "whole.dll", extensionSource, test.flags...))
			for n := 4; n < len(whole); n += max(1, min(n/16, len(whole)-1-n)) {
				i := inspect(t, write(t, dir, "part", string(whole[:n])))
				if i.Incomplete == "" {
					t.Fatalf("%d of %d bytes: not incomplete, but %+v", n, len(whole), i)
				}
				if err := i.LoadableIn(linux64); err == nil || !strings.HasPrefix(err.Error(), "part: incomplete: ") {
					t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
				}
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	i := inspect(t, compile(t, "gcc", dir, "a.so", "int puts(const char *); int f(void) { return puts(\"\"); }", "-shared", "-fPIC", "-Wl,-soname,proposal.so.3", "-Wl,--build-id=0xc0ffee",
		"-Wl,-z,nodelete"))
	if i.SONAME != "proposal.so.3" || i.BuildID != "c0ffee" || i.Libc != "glibc" {
		t.Errorf("got soname %q, build id %q, libc %q", i.SONAME, i.BuildID, i.Libc)
	}
	if want := []string{"it is marked DF_1_NODELETE"}; !slices.Equal(i.NoUnload, want) {
		t.Errorf("got %q, want %q", i.NoUnload, want)
	}
	unique := "inline int &counter() { static int n; return n; } int use() { return ++counter(); }"
	i = inspect(t, compile(t, "g++", dir, "b.so", unique, "-shared", "-fPIC"))
	if want := []string{"it defines unique symbols (STB_GNU_UNIQUE, from inline C++ variables and templates)"}; !slices.Equal(i.NoUnload, want) {
		t.Errorf("got %q, want %q", i.NoUnload, want)
	}
	i = inspect(t, compile(t, "gcc", dir, "program", "int main(void) { return 0; }"))
	if !strings.HasPrefix(filepath.Base(i.Interpreter), "ld-linux") || i.NoUnload != nil {
		t.Errorf("got interpreter %q, no unload %q", i.Interpreter, i.NoUnload)
	}
}

func TestEntryPoint(t *testing.T) {
	tests := []struct {
		symbol, name string
		mangled      bool
	}{
		{"GetExtensionVersion", "GetExtensionVersion", false},
		{"_GetExtensionVersion", "GetExtensionVersion", false},
		{"_TerminateExtension@4", "TerminateExtension", false},
		{"TerminateExtension@4", "TerminateExtension", false},
		{"HttpFilterProc@12", "HttpFilterProc", false},
		{"HttpFilterProc@4", "", false},
		{"@HttpFilterProc@12", "", false},
		{"DllMain@12", "DllMain", false},
		{"?HttpExtensionProc@@YGKPAU_EXTENSION_CONTROL_BLOCK@@@Z", "HttpExtensionProc", true},
		{"_Z16TerminateFilterj", "", false},
		{"_Z15TerminateFilterj", "TerminateFilter", true},
		{"MyGetExtensionVersion", "", false},
		{"GetExtensionVersion2", "", false},
		{"GetExtensionVersion@", "", false},
		{"GetExtensionVersion@4x", "", false},
		{"getextensionversion", "", false},
		{"", "", false},
	}
	for _, test := range tests {
		if name, mangled := entryPoint(test.symbol); name != test.name || mangled != test.mangled {
			t.Errorf("%q: got %q, %v, want %q, %v", test.symbol, name, mangled, test.name, test.mangled)
		}
	}
	var i Info
	for _, s := range []string{"_DllMain@12", "DllMain", "DllMain@12"} {
		i.addExport(s)
	}
	if want := []Export{{"DllMain", "DllMain"}}; !reflect.DeepEqual(i.Exports, want) {
		t.Errorf("got %v, want %v", i.Exports, want)
	}
}

func TestMarkAcrossWrites(t *testing.T) {
	text := "....\xff Go buildinf:....FPC 3.2.2 [2021/07/09] for x86_64 - Linux...."
	for cut := range len(text) {
		var s markScanner
		s.Write([]byte(text[:cut]))
		s.Write([]byte(text[cut:]))
		if !s.golang || !s.freePascal {
			t.Errorf("cut at %d: got %v, %v", cut, s.golang, s.freePascal)
		}
	}
}
