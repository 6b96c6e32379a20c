package image

import (
	"debug/pe"
	"encoding/binary"
	"fmt"
)

// maxPESections is what is believed of a PE file; Windows itself loads no more than 96.
const maxPESections = 512

// peFile is one PE file as the Windows loader sees it.
type peFile struct {
	*view
	header  pe.FileHeader
	dirs    []pe.DataDirectory // fewer than 16 if the file has fewer
	imports []string           // names of the DLLs it needs at load
}

// parse fills i. It stops at the first thing that makes the rest meaningless.
func (f *peFile) parse(i *Info) {
	f.order = binary.LittleEndian
	i.System, i.Type = "windows", TypeUnknown
	at, err := f.readHeader()
	if err != nil {
		i.broken("PE header", err)
		return
	}
	i.Arch, i.Bits = f.arch()
	i.Type = f.fileType()
	headers, err := f.readOptional(at)
	if err != nil {
		i.broken("optional header", err)
		return
	}
	sections, err := f.readSections(at+uint64(f.header.SizeOfOptionalHeader), headers)
	if err != nil {
		i.broken("section headers", err)
		return
	}
	if f.checkComplete(i, sections); i.Incomplete != "" {
		return
	}
	i.damaged("export directory", f.readExports(i))
	i.damaged("import directory", f.readImports())
}

// readHeader returns where the optional header begins.
func (f *peFile) readHeader() (uint64, error) {
	dos, err := f.at(0, 64)
	if err != nil {
		return 0, err
	}
	at := uint64(f.order.Uint32(dos[60:]))
	magic, err := f.at(at, 4)
	if err != nil {
		return 0, err
	}
	if string(magic) != "PE\x00\x00" {
		return 0, fmt.Errorf("there is none at byte %d", at)
	}
	return at + 4 + uint64(binary.Size(f.header)), f.decode(at+4, &f.header)
}

func (f *peFile) arch() (name string, bits int) {
	switch f.header.Machine {
	case pe.IMAGE_FILE_MACHINE_I386:
		return "386", 32
	case pe.IMAGE_FILE_MACHINE_AMD64:
		return "amd64", 64
	case pe.IMAGE_FILE_MACHINE_ARM64:
		return "arm64", 64
	case pe.IMAGE_FILE_MACHINE_ARM, pe.IMAGE_FILE_MACHINE_ARMNT:
		return "arm", 32
	case pe.IMAGE_FILE_MACHINE_IA64:
		return "ia64", 64
	}
	return fmt.Sprintf("machine %#x", f.header.Machine), 0
}

func (f *peFile) fileType() Type {
	switch {
	case f.header.Characteristics&pe.IMAGE_FILE_DLL != 0:
		return TypeLibrary
	case f.header.Characteristics&pe.IMAGE_FILE_EXECUTABLE_IMAGE != 0:
		return TypeExecutable
	}
	return TypeObject
}

// readOptional reads the data directories and returns the size of all headers, which the loader maps at address 0. The
// optional header may be shorter than its structure: what it does not have is zero.
func (f *peFile) readOptional(at uint64) (headers uint64, err error) {
	have, err := f.at(at, uint64(f.header.SizeOfOptionalHeader))
	if err != nil {
		return 0, err
	}
	if len(have) < 2 {
		return 0, fmt.Errorf("it has %d bytes", len(have))
	}
	raw := make([]byte, max(len(have), binary.Size(pe.OptionalHeader64{})))
	copy(raw, have)
	switch magic := f.order.Uint16(raw); magic {
	case 0x10b:
		var h pe.OptionalHeader32
		binary.Decode(raw, f.order, &h) // raw is long enough: the only error there is
		f.dirs = h.DataDirectory[:min(h.NumberOfRvaAndSizes, 16)]
		return uint64(h.SizeOfHeaders), nil
	case 0x20b:
		var h pe.OptionalHeader64
		binary.Decode(raw, f.order, &h)
		f.dirs = h.DataDirectory[:min(h.NumberOfRvaAndSizes, 16)]
		return uint64(h.SizeOfHeaders), nil
	default:
		return 0, fmt.Errorf("its magic %#x is unknown", magic)
	}
}

func (f *peFile) readSections(at, headers uint64) ([]pe.SectionHeader32, error) {
	n := int(f.header.NumberOfSections)
	if n > maxPESections {
		return nil, fmt.Errorf("%d sections are more than Windows loads", n)
	}
	sections := make([]pe.SectionHeader32, n)
	if err := f.decode(at, sections); err != nil {
		return nil, err
	}
	f.mapSpan(0, 0, headers)
	for _, s := range sections {
		f.mapSpan(uint64(s.VirtualAddress), uint64(s.PointerToRawData), uint64(s.SizeOfRawData))
	}
	return sections, nil
}

// checkComplete finds out whether the file has the data of its sections, and its signature, which comes last.
func (f *peFile) checkComplete(i *Info, sections []pe.SectionHeader32) {
	for _, s := range sections {
		if !f.within(uint64(s.PointerToRawData), uint64(s.SizeOfRawData)) {
			i.cut("a section should reach to byte %d", uint64(s.PointerToRawData)+uint64(s.SizeOfRawData))
		}
	}
	sig := f.dir(pe.IMAGE_DIRECTORY_ENTRY_SECURITY) // the only directory with a file offset for an address
	if !f.within(uint64(sig.VirtualAddress), uint64(sig.Size)) {
		i.cut("its signature should reach to byte %d", uint64(sig.VirtualAddress)+uint64(sig.Size))
	}
}

// dir returns a data directory, empty if the file has none.
func (f *peFile) dir(n int) pe.DataDirectory {
	if n >= len(f.dirs) {
		return pe.DataDirectory{}
	}
	return f.dirs[n]
}
