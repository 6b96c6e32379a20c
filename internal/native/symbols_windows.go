package native

import (
	"debug/pe"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
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
		var info windows.ModuleInfo
		if windows.GetModuleInformation(windows.CurrentProcess(), m, &info, uint32(unsafe.Sizeof(info))) != nil {
			continue
		}
		path := strings.TrimSuffix(moduleFile(uintptr(m)), ".")
		if p, ok := openPaths.Load(strings.ToLower(path)); ok {
			path = p.(string)
		}
		ms = append(ms, mapping{info.BaseOfDll, info.BaseOfDll + uintptr(info.SizeOfImage), path})
	}
	return ms
}

// missing names a library that path needs and that is not found; "" if nothing is known.
func missing(path string) string {
	f, err := pe.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
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

// read fills the table from a file, which may be any.
func (t *symbolTable) read(path string) {}
