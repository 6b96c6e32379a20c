package image

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpus returns the small images of testdata whose names match.
func corpus(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "images", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no images %q: %v", pattern, err)
	}
	images := map[string][]byte{}
	for _, path := range paths {
		images[filepath.Base(path)] = read(t, path)
	}
	return images
}

// parseBytes is Inspect for what is in memory.
func parseBytes(b []byte) *Info {
	i := &Info{Path: filepath.Join("testdata", "images", "none"), Size: int64(len(b)), Kind: KindNone}
	(&markScanner{}).Write(b)
	i.parse(bytes.NewReader(b))
	return i
}

func TestCorpus(t *testing.T) {
	want := map[string]Host{"elf-amd64": {System: "linux", Arch: "amd64"}, "elf-amd64-sysv": {System: "linux", Arch: "amd64"}, "elf-386": {System: "linux", Arch: "386"},
		"elf-arm64": {System: "linux", Arch: "arm64"}, "pe-amd64": {System: "windows", Arch: "amd64"}, "pe-386": {System: "windows", Arch: "386"}}
	for name, h := range want {
		i := inspect(t, filepath.Join("testdata", "images", name))
		if err := i.LoadableIn(h); err != nil || i.Kind != KindExtension {
			t.Errorf("%s: %v, kind %q", name, err, i.Kind)
		}
	}
}

// TestHostileELF changes one number of a real library at a time.
func TestHostileELF(t *testing.T) {
	good := corpus(t, "elf-amd64")["elf-amd64"]
	f := &elfFile{view: &view{r: bytes.NewReader(good), size: uint64(len(good))}}
	i := &Info{}
	if f.parse(i); i.Damaged != "" {
		t.Fatal(i.Damaged)
	}
	at := func(addr uint64) int {
		off, _, err := f.locate(addr)
		if err != nil {
			t.Fatal(err)
		}
		return int(off)
	}
	tag := func(tag uint64) int { // file offset of the value of a dynamic entry
		raw, _ := f.dynamicBytes()
		for n := 0; n < len(raw); n += 16 {
			if f.order.Uint64(raw[n:]) == tag {
				return bytes.Index(good, raw) + n + 8
			}
		}
		t.Fatalf("no dynamic tag %d", tag)
		return 0
	}
	const strSize, soname, symtab, gnuHash = 10, 14, 6, 0x6ffffef5
	tests := []struct {
		name  string
		off   int
		value uint32
		want  string
	}{
		{"byte order", 4, 0x00010302, "ELF header: byte order 3 is unknown"},
		{"class", 4, 0x00010103, "ELF header: class 3 is unknown"},
		{"segments", 56, 0x0040ffff, "program headers: 65535 segments are more than any real file has"},
		{"segment size", 54, 0x00010001, "program headers: a program header has 1 bytes, should have 56"},
		{"string table size", tag(strSize), 0x7fffffff, "symbols: 2147483647 bytes at address"},
		{"soname", tag(soname), 0x7fffffff, "dynamic section: a name lies outside of the string table"},
		{"symbol table", tag(symtab), 0x7fffffff, "symbols: address 0x7fffffff is outside of what is loaded from the file"},
		{"hash table", tag(gnuHash), 0x7fffffff, "symbols: address 0x7fffffff is outside"},
		{"hash buckets", at(f.dynamic.gnuHash), 0xffffffff, "symbols: 17179869180 bytes at address"},
		{"bloom filter", at(f.dynamic.gnuHash) + 8, 0xffffffff, "symbols: address"},
		{"chain", at(f.dynamic.gnuHash) + 16 + 8, 0x7fffffff, "symbols: address"},
	}
	for _, test := range tests {
		bad := bytes.Clone(good)
		binary.LittleEndian.PutUint32(bad[test.off:], test.value)
		if i := parseBytes(bad); !strings.HasPrefix(i.Damaged, test.want) {
			t.Errorf("%s: got damaged %q, incomplete %q, want %q", test.name, i.Damaged, i.Incomplete, test.want)
		}
	}
}

func TestHostilePE(t *testing.T) {
	good := corpus(t, "pe-amd64")["pe-amd64"]
	f := &peFile{view: &view{r: bytes.NewReader(good), size: uint64(len(good))}}
	i := &Info{}
	if f.parse(i); i.Damaged != "" {
		t.Fatal(i.Damaged)
	}
	header := int(binary.LittleEndian.Uint32(good[60:])) + 4
	exports, _, err := f.locate(uint64(f.dir(pe.IMAGE_DIRECTORY_ENTRY_EXPORT).VirtualAddress))
	if err != nil {
		t.Fatal(err)
	}
	exportEntry := header + 20 + 112
	tests := []struct {
		name  string
		off   int
		value uint32
		want  string
	}{
		{"magic", header + 20, 0xffff, "optional header: its magic 0xffff is unknown"},
		{"sections", header + 2, 0xffff, "section headers: 65535 sections are more than Windows loads"},
		{"export directory", exportEntry, 0x7fffffff, "export directory: address 0x7fffffff is outside of what is loaded from the file"},
		{"import directory", exportEntry + 8, 0x7fffffff, "import directory: "},
		{"number of names", int(exports) + 24, 0xffffffff, "export directory: 4294967295 names are more than any DLL has"},
		{"names", int(exports) + 32, 0x7fffffff, "export directory: address 0x7fffffff is outside"},
	}
	for _, test := range tests {
		bad := bytes.Clone(good)
		binary.LittleEndian.PutUint32(bad[test.off:], test.value)
		if i := parseBytes(bad); !strings.HasPrefix(i.Damaged, test.want) {
			t.Errorf("%s: got damaged %q, incomplete %q, want %q", test.name, i.Damaged, i.Incomplete, test.want)
		}
	}
}

func FuzzInspectELF(f *testing.F) { fuzzInspect(f, "elf-*", FormatELF) }

func FuzzInspectPE(f *testing.F) { fuzzInspect(f, "pe-*", FormatPE) }

// fuzzInspect holds that any bytes give an answer that can be shown, and that a library is only called loadable if there
// is something to load and to call.
func fuzzInspect(f *testing.F, pattern string, format Format) {
	f.Setenv("LD_LIBRARY_PATH", "")
	for _, b := range corpus(f, pattern) {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	if self, err := os.Executable(); err == nil && format == FormatELF {
		f.Add(read(f, self)[:4096])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i := parseBytes(b)
		if _, err := json.Marshal(i); err != nil {
			t.Error(err)
		}
		err := i.LoadableIn(Host{System: i.System, Arch: i.Arch, Libc: i.Libc})
		if err == nil && (i.Kind == KindNone || i.Type != TypeLibrary || len(i.Exports) < 2) {
			t.Errorf("called loadable: %+v", i)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b\x00") {
			t.Errorf("control characters in %q", err)
		}
	})
}
