package image

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Limits of what is believed of an ELF file. Real libraries have a dozen segments and some forty sections.
const (
	maxSegments = 1024
	maxSections = 1 << 16
	maxInterp   = 4096
	maxNotes    = 64 << 10
)

// elfFile is one ELF file as the dynamic loader sees it: through its segments. Sections are looked at only to see
// whether the file is whole; many tools remove them.
type elfFile struct {
	*view
	header   elf.Header64 // of 32-bit files, too
	class    elf.Class
	segments []elf.ProgHeader
	sections []elf.SectionHeader
	dynamic  dynamic
}

// parse fills i. It stops at the first thing that makes the rest meaningless.
func (f *elfFile) parse(i *Info) {
	i.Type = TypeUnknown
	if err := f.readHeader(); err != nil {
		i.broken("ELF header", err)
		return
	}
	i.Bits = map[elf.Class]int{elf.ELFCLASS32: 32, elf.ELFCLASS64: 64}[f.class]
	i.Arch, i.System = f.arch(), f.system()
	i.Type = f.fileType()
	if err := f.readSegments(); err != nil {
		i.broken("program headers", err)
		return
	}
	if f.checkComplete(i); i.Incomplete != "" {
		return
	}
	i.damaged("interpreter", f.readInterpreter(i))
	i.damaged("notes", f.readNotes(i))
	if err := f.readDynamic(); err != nil {
		i.damaged("dynamic section", err)
		return
	}
	if f.header.Type == uint16(elf.ET_DYN) && f.dynamic.executable {
		i.Type = TypeExecutable
	}
	i.SONAME = f.dynamic.soname
	i.Libc = libc(f.dynamic.needed, i.System)
	if f.dynamic.nodelete {
		i.NoUnload = append(i.NoUnload, "it is marked DF_1_NODELETE")
	}
	i.damaged("symbols", f.readSymbols(i))
}

// broken tells the end of the file from nonsense in it.
func (i *Info) broken(what string, err error) {
	if errors.Is(err, errCut) {
		i.cut("its %s lie beyond its end", what)
		return
	}
	i.damaged(what, err)
}

func (f *elfFile) readHeader() error {
	ident, err := f.at(0, elf.EI_NIDENT)
	if err != nil {
		return err
	}
	switch elf.Data(ident[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		f.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		f.order = binary.BigEndian
	default:
		return fmt.Errorf("byte order %d is unknown", ident[elf.EI_DATA])
	}
	f.class = elf.Class(ident[elf.EI_CLASS])
	switch f.class {
	case elf.ELFCLASS64:
		return f.decode(0, &f.header)
	case elf.ELFCLASS32:
		var h elf.Header32
		err := f.decode(0, &h)
		f.header = elf.Header64{Ident: h.Ident, Type: h.Type, Machine: h.Machine, Phoff: uint64(h.Phoff), Shoff: uint64(h.Shoff),
			Phentsize: h.Phentsize, Phnum: h.Phnum, Shentsize: h.Shentsize, Shnum: h.Shnum}
		return err
	}
	return fmt.Errorf("class %d is unknown", ident[elf.EI_CLASS])
}

func (f *elfFile) readSegments() error {
	size := uint64(f.pick(binary.Size(elf.Prog32{}), binary.Size(elf.Prog64{})))
	n := uint64(f.header.Phnum)
	switch {
	case n == 0:
		return nil
	case n > maxSegments:
		return fmt.Errorf("%d segments are more than any real file has", n)
	case uint64(f.header.Phentsize) != size:
		return fmt.Errorf("a program header has %d bytes, should have %d", f.header.Phentsize, size)
	}
	raw, err := f.at(f.header.Phoff, n*size)
	if err != nil {
		return err
	}
	for ; len(raw) > 0; raw = raw[size:] {
		p := f.segment(raw)
		f.segments = append(f.segments, p)
		if p.Type == elf.PT_LOAD {
			f.mapSpan(p.Vaddr, p.Off, p.Filesz)
		}
	}
	return nil
}

func (f *elfFile) segment(raw []byte) elf.ProgHeader {
	if f.class == elf.ELFCLASS64 {
		var p elf.Prog64
		binary.Decode(raw, f.order, &p) // raw is long enough: the only error there is
		return elf.ProgHeader{Type: elf.ProgType(p.Type), Off: p.Off, Vaddr: p.Vaddr, Filesz: p.Filesz, Memsz: p.Memsz, Align: p.Align}
	}
	var p elf.Prog32
	binary.Decode(raw, f.order, &p)
	return elf.ProgHeader{Type: elf.ProgType(p.Type), Off: uint64(p.Off), Vaddr: uint64(p.Vaddr), Filesz: uint64(p.Filesz),
		Memsz: uint64(p.Memsz), Align: uint64(p.Align)}
}

// checkComplete finds out whether the file has everything its headers promise. Linkers write the section headers last, so
// a file that has them has all.
func (f *elfFile) checkComplete(i *Info) {
	for _, p := range f.segments {
		if p.Type != elf.PT_NULL && !f.within(p.Off, p.Filesz) {
			i.cut("a segment should reach to byte %d", p.Off+p.Filesz)
		}
	}
	size := uint64(f.pick(binary.Size(elf.Section32{}), binary.Size(elf.Section64{})))
	if f.header.Shoff == 0 || uint64(f.header.Shentsize) != size {
		return // stripped of sections; or not for us to read, nor for the loader
	}
	n := uint64(f.header.Shnum)
	if !f.within(f.header.Shoff, max(n, 1)*size) {
		i.cut("its section headers should reach to byte %d", f.header.Shoff+max(n, 1)*size)
		return
	}
	raw, err := f.at(f.header.Shoff, n*size)
	if err != nil {
		return
	}
	for ; len(raw) > 0 && len(f.sections) < maxSections; raw = raw[size:] {
		s := f.section(raw)
		f.sections = append(f.sections, s)
		if s.Type != elf.SHT_NULL && s.Type != elf.SHT_NOBITS && !f.within(s.Offset, s.FileSize) {
			i.cut("a section should reach to byte %d", s.Offset+s.FileSize)
		}
	}
}

func (f *elfFile) section(raw []byte) elf.SectionHeader {
	if f.class == elf.ELFCLASS64 {
		var s elf.Section64
		binary.Decode(raw, f.order, &s)
		return elf.SectionHeader{Type: elf.SectionType(s.Type), Addr: s.Addr, Offset: s.Off, FileSize: s.Size}
	}
	var s elf.Section32
	binary.Decode(raw, f.order, &s)
	return elf.SectionHeader{Type: elf.SectionType(s.Type), Addr: uint64(s.Addr), Offset: uint64(s.Off), FileSize: uint64(s.Size)}
}

func (f *elfFile) readInterpreter(i *Info) error {
	for _, p := range f.segments {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b, err := f.at(p.Off, min(p.Filesz, maxInterp))
		if err != nil {
			return err
		}
		i.Interpreter, _, _ = strings.Cut(string(b), "\x00")
		return nil
	}
	return nil
}

// pick returns the first in a 32-bit file, the second in a 64-bit one.
func (f *elfFile) pick(bits32, bits64 int) int {
	if f.class == elf.ELFCLASS32 {
		return bits32
	}
	return bits64
}
