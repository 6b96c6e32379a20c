//go:build unix && cgo

package native

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"strings"
)

func readMaps() (ms mappings) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var m mapping
		fields := strings.Fields(sc.Text())
		if n, _ := fmt.Sscanf(fields[0], "%x-%x", &m.start, &m.end); n != 2 {
			continue
		}
		if len(fields) > 5 {
			m.path = strings.Join(fields[5:], " ")
		}
		ms = append(ms, m)
	}
	return ms
}

// read fills the table from a file, which may be any.
func (t *symbolTable) read(path string) {
	f, err := elf.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	if len(f.Sections) > maxSections || len(f.Progs) > maxSections {
		return
	}
	t.base = ^uint64(0)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			t.base = min(t.base, p.Vaddr&^(pageSize-1))
		}
	}
	if sectionBytes(f, ".symtab", ".strtab", ".dynsym", ".dynstr") > maxDebug {
		return
	}
	syms, _ := f.Symbols()
	dyn, _ := f.DynamicSymbols()
	for _, s := range append(syms, dyn...) {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Value != 0 {
			t.syms = append(t.syms, symbol{s.Name, s.Value, s.Size})
		}
	}
	if sectionBytes(f, ".debug_", ".zdebug_") <= maxDebug {
		t.dwarf, _ = f.DWARF()
	}
}

// sectionBytes is the size, decompressed, of all sections whose names begin with one of these.
func sectionBytes(f *elf.File, names ...string) (n uint64) {
	for _, s := range f.Sections {
		for _, name := range names {
			if strings.HasPrefix(s.Name, name) {
				n += min(s.Size, maxDebug+1) // no overflow: there are few sections
			}
		}
	}
	return n
}
