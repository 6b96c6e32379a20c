package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"strings"
)

// Limits of what is believed of a dynamic section.
const (
	maxDynamic  = 1 << 16 // entries
	maxNeeded   = 256     // libraries needed by one
	maxNameLen  = 4096    // bytes of a library's name
	maxPathLen  = 32 << 10
	maxPathDirs = 64
)

// dynamic is what the dynamic section tells the loader.
type dynamic struct {
	needed     []string
	soname     string
	rpath      []string // DT_RPATH: also for the libraries this one needs
	runpath    []string // DT_RUNPATH: for this one only, and instead of rpath
	nodelete   bool
	executable bool

	strtab, strsz, symtab uint64
	hash, gnuHash         uint64
}

func (f *elfFile) readDynamic() error {
	raw, err := f.dynamicBytes()
	if err != nil {
		return err
	}
	d := &f.dynamic
	var needed, names []uint64
	var soname, rpath, runpath uint64
	word := f.pick(4, 8)
	for n := 0; len(raw) >= 2*word && n < maxDynamic; n++ {
		tag, value := elf.DynTag(f.word(raw)), f.word(raw[word:])
		raw = raw[2*word:]
		switch tag {
		case elf.DT_NULL:
			raw = nil
		case elf.DT_NEEDED:
			needed = append(needed, value)
		case elf.DT_SONAME:
			soname, names = value, append(names, value)
		case elf.DT_RPATH:
			rpath = value
		case elf.DT_RUNPATH:
			runpath = value
		case elf.DT_STRTAB:
			d.strtab = value
		case elf.DT_STRSZ:
			d.strsz = value
		case elf.DT_SYMTAB:
			d.symtab = value
		case elf.DT_HASH:
			d.hash = value
		case elf.DT_GNU_HASH:
			d.gnuHash = value
		case elf.DT_DEBUG: // linkers write it into executables only
			d.executable = true
		case elf.DT_FLAGS_1:
			d.nodelete = elf.DynFlag1(value)&elf.DF_1_NODELETE != 0
			d.executable = d.executable || elf.DynFlag1(value)&elf.DF_1_PIE != 0
		}
	}
	if len(needed) > maxNeeded {
		return fmt.Errorf("%d needed libraries are more than any real file has", len(needed))
	}
	for _, at := range needed {
		name, err := f.dynString(at, maxNameLen)
		if err != nil {
			return err
		}
		d.needed = append(d.needed, name)
	}
	if len(names) > 0 {
		if d.soname, err = f.dynString(soname, maxNameLen); err != nil {
			return err
		}
	}
	if d.rpath, err = f.dynPath(rpath); err != nil {
		return err
	}
	d.runpath, err = f.dynPath(runpath)
	return err
}

// dynamicBytes returns the dynamic section; none if the file has none, as objects and static executables.
func (f *elfFile) dynamicBytes() ([]byte, error) {
	for _, p := range f.segments {
		if p.Type != elf.PT_DYNAMIC {
			continue
		}
		_, have, err := f.locate(p.Vaddr)
		if err != nil {
			return nil, err
		}
		return f.mem(p.Vaddr, min(p.Filesz, have, maxDynamic*16))
	}
	return nil, nil
}

// word reads an address-sized number.
func (f *elfFile) word(b []byte) uint64 {
	if f.class == elf.ELFCLASS32 {
		return uint64(f.order.Uint32(b))
	}
	return f.order.Uint64(b)
}

// dynString returns the string at an offset of the dynamic string table.
func (f *elfFile) dynString(at uint64, limit int) (string, error) {
	if at >= f.dynamic.strsz {
		return "", errors.New("a name lies outside of the string table")
	}
	return f.memString(f.dynamic.strtab+at, limit)
}

// dynPath returns the folders of DT_RPATH or DT_RUNPATH; offset 0 means that there is none.
func (f *elfFile) dynPath(at uint64) ([]string, error) {
	if at == 0 {
		return nil, nil
	}
	s, err := f.dynString(at, maxPathLen)
	if err != nil || s == "" {
		return nil, err
	}
	dirs := strings.Split(s, ":")
	return dirs[:min(len(dirs), maxPathDirs)], nil
}
