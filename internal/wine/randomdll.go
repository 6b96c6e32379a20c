package wine

import "encoding/binary"

// Machine values of a PE file's header.
const (
	machineI386  uint16 = 0x014c // IMAGE_FILE_MACHINE_I386
	machineAMD64 uint16 = 0x8664 // IMAGE_FILE_MACHINE_AMD64
)

// randomDLL returns the bytes of a PE library named bcryptprimitives.dll for
// the given machine (IMAGE_FILE_MACHINE_AMD64 or IMAGE_FILE_MACHINE_I386). It
// has no code and one export: ProcessPrng, a forwarder to
// advapi32.SystemFunction036, which is RtlGenRandom and takes the same
// arguments (buffer, length) by the same calling convention.
//
// Go's runtime refuses to start on Windows without that export, and Wine
// before 9 has no such library. It belongs into system32 of the prefix
// (the amd64 one) and into syswow64 (the 386 one, or into system32 of a
// prefix that is 32-bit only). The result is the same bytes every time. For
// any other machine it returns nil.
func randomDLL(machine uint16) []byte {
	const (
		fileAlign    = 0x200
		sectionAlign = 0x1000
		headerSize   = fileAlign    // one unit holds every header
		rva          = sectionAlign // where the only section begins
		peOffset     = 0x40         // directly behind the DOS header
		exportSize   = 40           // IMAGE_EXPORT_DIRECTORY
	)
	var (
		le         = binary.LittleEndian
		plus       bool // PE32+ (64-bit)
		optSize    uint16
		flags      uint16 = 0x2002 // DLL | EXECUTABLE_IMAGE; relocations are not "stripped", there are none to do
		optHeader         = peOffset + 24
		dirsOffset int
	)
	switch machine {
	case machineAMD64:
		plus, optSize, dirsOffset = true, 112+16*8, 112
		flags |= 0x0020 // LARGE_ADDRESS_AWARE
	case machineI386:
		optSize, dirsOffset = 96+16*8, 96
		flags |= 0x0100 // 32BIT_MACHINE
	default:
		return nil
	}

	// The section: export directory, three tables of one entry, strings.
	section := make([]byte, fileAlign)
	end := exportSize
	table := func(size int) uint32 { at := end; end += size; return uint32(rva + at) }
	text := func(s string) uint32 {
		at := end
		end += copy(section[at:], s) + 1
		return uint32(rva + at)
	}
	functions, names, ordinals := table(4), table(4), table(4) // the last is 2 bytes and padding
	dll := text("bcryptprimitives.dll")
	name := text("ProcessPrng")
	target := text("advapi32.SystemFunction036") // inside the directory's range: a forwarder
	le.PutUint32(section[functions-rva:], target)
	le.PutUint32(section[names-rva:], name)
	le.PutUint16(section[ordinals-rva:], 0)
	le.PutUint32(section[12:], dll)
	le.PutUint32(section[16:], 1) // first ordinal
	le.PutUint32(section[20:], 1) // number of functions
	le.PutUint32(section[24:], 1) // number of names
	le.PutUint32(section[28:], functions)
	le.PutUint32(section[32:], names)
	le.PutUint32(section[36:], ordinals)

	out := make([]byte, headerSize, headerSize+fileAlign)
	copy(out, "MZ")
	le.PutUint16(out[0x08:], 4)    // header paragraphs
	le.PutUint16(out[0x18:], 0x40) // "relocation table" at 0x40: a new executable
	le.PutUint32(out[0x3c:], peOffset)
	copy(out[peOffset:], "PE\x00\x00")
	coff := out[peOffset+4:]
	le.PutUint16(coff[0:], machine)
	le.PutUint16(coff[2:], 1) // sections
	le.PutUint16(coff[16:], optSize)
	le.PutUint16(coff[18:], flags)

	opt := out[optHeader:]
	opt[2] = 14                      // linker version
	le.PutUint32(opt[8:], fileAlign) // initialized data
	le.PutUint32(opt[20:], rva)      // base of code
	le.PutUint32(opt[32:], sectionAlign)
	le.PutUint32(opt[36:], fileAlign)
	le.PutUint16(opt[40:], 6)              // operating system 6.0
	le.PutUint16(opt[48:], 6)              // subsystem version 6.0
	le.PutUint32(opt[56:], 2*sectionAlign) // image size
	le.PutUint32(opt[60:], headerSize)
	le.PutUint16(opt[68:], 3) // console
	if plus {
		le.PutUint16(opt[0:], 0x20b)
		le.PutUint64(opt[24:], 0x180000000) // preferred base
		le.PutUint16(opt[70:], 0x0160)      // high entropy, dynamic base, NX
		le.PutUint64(opt[72:], 0x100000)    // stack reserve and commit
		le.PutUint64(opt[80:], 0x1000)
		le.PutUint64(opt[88:], 0x100000) // heap reserve and commit
		le.PutUint64(opt[96:], 0x1000)
		le.PutUint32(opt[108:], 16) // data directories
	} else {
		le.PutUint16(opt[0:], 0x10b)
		le.PutUint32(opt[24:], rva)        // base of data
		le.PutUint32(opt[28:], 0x10000000) // preferred base
		le.PutUint16(opt[70:], 0x0140)     // dynamic base, NX
		le.PutUint32(opt[72:], 0x100000)
		le.PutUint32(opt[76:], 0x1000)
		le.PutUint32(opt[80:], 0x100000)
		le.PutUint32(opt[84:], 0x1000)
		le.PutUint32(opt[92:], 16)
	}
	le.PutUint32(opt[dirsOffset:], rva) // data directory 0: exports
	le.PutUint32(opt[dirsOffset+4:], uint32(end))

	sect := out[optHeader+int(optSize):]
	copy(sect, ".rdata")
	le.PutUint32(sect[8:], uint32(end)) // size in memory
	le.PutUint32(sect[12:], rva)
	le.PutUint32(sect[16:], fileAlign) // size in the file
	le.PutUint32(sect[20:], headerSize)
	le.PutUint32(sect[36:], 0x40000040) // read | initialized data
	return append(out, section...)
}
