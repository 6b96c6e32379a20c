package native

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/isapi"
)

// readMaps answers where images are.
func readMaps() (ms mappings) {
	const most = 4096
	modules := make([]windows.Handle, most)
	var size uint32
	if windows.EnumProcessModules(windows.CurrentProcess(), &modules[0], most*uint32(unsafe.Sizeof(modules[0])), &size) != nil {
		return nil
	}
	for _, m := range modules[:min(most, int(size)/int(unsafe.Sizeof(modules[0])))] {
		var size uintptr
		_ = Protect(func() isapi.Error { // it may be unloaded meanwhile
			header := uintptr(m) + uintptr(Read[uint32](uintptr(m)+0x3c))
			size = uintptr(Read[uint32](header + 24 + 56)) // SizeOfImage
			return isapi.OK
		})
		path := strings.TrimSuffix(moduleFile(uintptr(m)), ".")
		if p, ok := openPaths.Load(strings.ToLower(path)); ok {
			path = p.(string)
		}
		ms = append(ms, mapping{uintptr(m), uintptr(m) + size, path})
	}
	return ms
}

// missing names a library that path needs and that is not found; "" if nothing is known.
func missing(path string) string {
	f, opened, err := openPE(path)
	if err != nil {
		return ""
	}
	defer opened.Close()
	symbols, err := f.ImportedSymbols()
	if err != nil {
		return ""
	}
	var names []string
	for _, s := range symbols {
		if _, name, ok := strings.Cut(s, ":"); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		h, err := windows.LoadLibraryEx(name, 0, windows.LOAD_LIBRARY_AS_DATAFILE)
		if err != nil {
			return name
		}
		_ = windows.FreeLibrary(h)
	}
	return ""
}

// read fills the table from a file, which may be any: with the symbols of the linker, else with exports. Of the system's own files exports
// are enough: those of Wine have debug information that takes seconds to read.
func (t *symbolTable) read(path string) {
	f, opened, err := openPE(path)
	if err != nil {
		return
	}
	defer opened.Close()
	var exports pe.DataDirectory
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		t.base, exports = uint64(h.ImageBase), h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT]
	case *pe.OptionalHeader64:
		t.base, exports = h.ImageBase, h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT]
	default:
		return
	}
	if len(f.Sections) > maxSections {
		return
	}
	if dir, err := windows.GetWindowsDirectory(); err == nil && within(path, dir) {
		t.exports(f, exports)
		return
	}
	const function = 0x20 // IMAGE_SYM_DTYPE_FUNCTION
	for _, s := range f.Symbols {
		if s.Type == function && s.SectionNumber > 0 && int(s.SectionNumber) <= len(f.Sections) {
			at := t.base + uint64(f.Sections[s.SectionNumber-1].VirtualAddress) + uint64(s.Value)
			t.syms = append(t.syms, symbol{name: undecorated(f, s.Name), value: at})
		}
	}
	if len(t.syms) == 0 {
		t.exports(f, exports)
	}
	size := uint64(0)
	for _, s := range f.Sections {
		if strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			size += uint64(s.Size)
		}
	}
	if size <= maxDebug {
		t.dwarf, _ = f.DWARF()
	}
}

// undecorated is a C name as it was written: 32-bit tools put _ before it.
func undecorated(f *pe.File, name string) string {
	if f.Machine == pe.IMAGE_FILE_MACHINE_I386 {
		return strings.TrimPrefix(name, "_")
	}
	return name
}

// exports fills the table with what the export directory names.
func (t *symbolTable) exports(f *pe.File, d pe.DataDirectory) {
	read := map[*pe.Section][]byte{}
	at := func(rva uint32) []byte { // the rest of the section it is in
		for _, s := range f.Sections {
			if rva < s.VirtualAddress || rva-s.VirtualAddress >= s.Size || s.Size > maxDebug {
				continue
			}
			b, ok := read[s]
			if !ok {
				b, _ = s.Data()
				read[s] = b
			}
			return b[min(int(rva-s.VirtualAddress), len(b)):]
		}
		return nil
	}
	dir := at(d.VirtualAddress)
	if len(dir) < 40 {
		return
	}
	u32 := func(b []byte, i uint32) uint32 {
		if uint64(i)*4+4 > uint64(len(b)) {
			return 0
		}
		return binary.LittleEndian.Uint32(b[i*4:])
	}
	functions, names, ordinals := at(u32(dir, 7)), at(u32(dir, 8)), at(u32(dir, 9))
	for i := range min(u32(dir, 6), 1<<16) {
		if uint64(i)*2+2 > uint64(len(ordinals)) {
			return
		}
		rva := u32(functions, uint32(binary.LittleEndian.Uint16(ordinals[i*2:])))
		name, _, _ := bytes.Cut(at(u32(names, i)), []byte{0})
		if rva != 0 && len(name) < 4096 {
			t.syms = append(t.syms, symbol{name: string(name), value: t.base + uint64(rva)})
		}
	}
}
