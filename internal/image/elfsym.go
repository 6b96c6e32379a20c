package image

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
)

// Limits of what is believed of a symbol table. The largest real ones have some hundred thousand symbols.
const (
	maxSymbols = 1 << 20
	symbolStep = 4096 // symbols read at a time
)

// maxUnique is how many unique symbols are looked at. One is enough to be in the way of another version.
const maxUnique = 1 << 12

// ofLibrary are the mangled names of what namespaces std and __gnu_cxx have: many images have the same, which does no harm.
var ofLibrary = regexp.MustCompile(`^_Z(GV)?Z*N?K?(S[tabsiod]|9__gnu_cxx)`)

// readSymbols looks for entry points and for symbols that keep the library from being unloaded.
func (f *elfFile) readSymbols(i *Info) error {
	d := &f.dynamic
	if d.symtab == 0 || d.strtab == 0 {
		return nil
	}
	count, err := f.symbolCount()
	if err != nil {
		return err
	}
	if count > maxSymbols {
		return fmt.Errorf("%d symbols are more than any real library has", count)
	}
	names, err := f.mem(d.strtab, d.strsz)
	if err != nil {
		return err
	}
	size := uint64(f.pick(elf.Sym32Size, elf.Sym64Size))
	seen := map[string]bool{}
	for at := uint64(0); at < count; at += symbolStep {
		raw, err := f.mem(d.symtab+at*size, min(symbolStep, count-at)*size)
		if err != nil {
			return err
		}
		for ; len(raw) > 0; raw = raw[size:] {
			f.symbol(i, f.decodeSymbol(raw), names, seen)
		}
	}
	return nil
}

func (f *elfFile) decodeSymbol(raw []byte) elf.Sym64 {
	var s elf.Sym64
	s.Name = f.order.Uint32(raw)
	if f.class == elf.ELFCLASS64 {
		s.Info, s.Other, s.Shndx = raw[4], raw[5], f.order.Uint16(raw[6:])
	} else {
		s.Info, s.Other, s.Shndx = raw[12], raw[13], f.order.Uint16(raw[14:])
	}
	return s
}

// symbol judges one symbol. Reasons are given once each, whatever the number of symbols.
func (f *elfFile) symbol(i *Info, s elf.Sym64, names []byte, seen map[string]bool) {
	if uint64(s.Name) >= uint64(len(names)) {
		return
	}
	name := symbolName(names[s.Name:])
	keep := func(why string) {
		if !seen[why] {
			seen[why] = true
			i.NoUnload = append(i.NoUnload, why)
		}
	}
	if elf.SectionIndex(s.Shndx) == elf.SHN_UNDEF {
		if name == "__cxa_thread_atexit_impl" || name == "__cxa_thread_atexit" {
			keep("it registers destructors of thread-local objects: it stays as long as a thread that used one lives")
		}
		return
	}
	if elf.ST_BIND(s.Info) == elf.STB_LOOS {
		keep("it defines unique symbols (STB_GNU_UNIQUE, from inline C++ variables and templates)")
		if name, ok := cstring(names[s.Name:], maxNameLen); ok && len(i.Unique) < maxUnique && !ofLibrary.MatchString(name) {
			i.Unique = append(i.Unique, name)
		}
	}
	callable := elf.ST_TYPE(s.Info) == elf.STT_FUNC || elf.ST_TYPE(s.Info) == elf.STT_NOTYPE || elf.ST_TYPE(s.Info) == elf.STT_GNU_IFUNC
	visible := elf.ST_VISIBILITY(s.Other) == elf.STV_DEFAULT || elf.ST_VISIBILITY(s.Other) == elf.STV_PROTECTED
	if callable && visible && elf.ST_BIND(s.Info) != elf.STB_LOCAL {
		i.addExport(name)
	}
}

// symbolName returns as much of the name b begins with as can matter.
func symbolName(b []byte) string {
	if s, ok := cstring(b, maxSymbol); ok {
		return s
	}
	return string(b[:min(len(b), maxSymbol)])
}

// symbolCount finds how many dynamic symbols there are. The loader never needs to know, so nothing says it outright: the
// old hash table has a chain entry per symbol; in the new one the last symbol is the end of the last chain.
func (f *elfFile) symbolCount() (uint64, error) {
	switch {
	case f.dynamic.hash != 0 && !f.wideHash():
		b, err := f.mem(f.dynamic.hash, 8)
		if err != nil {
			return 0, err
		}
		return uint64(f.order.Uint32(b[4:])), nil
	case f.dynamic.gnuHash != 0:
		return f.gnuSymbolCount()
	}
	for _, s := range f.sections {
		if s.Type == elf.SHT_DYNSYM && s.Addr == f.dynamic.symtab {
			return s.FileSize / uint64(f.pick(elf.Sym32Size, elf.Sym64Size)), nil
		}
	}
	return 0, errors.New("nothing says how many there are")
}

// wideHash tells whether the old hash table has 64-bit entries, which the ABI of two processors wants.
func (f *elfFile) wideHash() bool {
	m := elf.Machine(f.header.Machine)
	return f.class == elf.ELFCLASS64 && (m == elf.EM_S390 || m == elf.EM_ALPHA)
}

func (f *elfFile) gnuSymbolCount() (uint64, error) {
	var h struct{ Buckets, First, Bloom, Shift uint32 }
	head, err := f.mem(f.dynamic.gnuHash, uint64(binary.Size(h)))
	if err != nil {
		return 0, err
	}
	binary.Decode(head, f.order, &h)
	at := f.dynamic.gnuHash + uint64(len(head)) + uint64(h.Bloom)*uint64(f.pick(4, 8))
	buckets, err := f.mem(at, uint64(h.Buckets)*4)
	if err != nil {
		return 0, err
	}
	last := uint64(0)
	for ; len(buckets) > 0; buckets = buckets[4:] {
		last = max(last, uint64(f.order.Uint32(buckets)))
	}
	if last < uint64(h.First) {
		return uint64(h.First), nil // nothing defined
	}
	return f.chainEnd(at+uint64(h.Buckets)*4-uint64(h.First)*4, last)
}

// chainEnd follows the chain that begins at symbol n and returns the number after its last symbol. The entry of symbol 0
// would be at base.
func (f *elfFile) chainEnd(base, n uint64) (uint64, error) {
	_, have, err := f.locate(base + n*4)
	if err != nil {
		return 0, err
	}
	chain, err := f.mem(base+n*4, min(have, maxSymbols*4))
	if err != nil {
		return 0, err
	}
	for ; len(chain) >= 4; chain = chain[4:] {
		n++
		if f.order.Uint32(chain)&1 != 0 {
			return n, nil
		}
	}
	return 0, errors.New("the last hash chain has no end")
}
