package image

import (
	"debug/elf"
	"encoding/hex"
	"slices"
	"strings"
)

// arch names the processor as Go does; one Go has no name for gets ELF's.
func (f *elfFile) arch() string {
	little := elf.Data(f.header.Ident[elf.EI_DATA]) == elf.ELFDATA2LSB
	wide := f.class == elf.ELFCLASS64
	m := elf.Machine(f.header.Machine)
	switch {
	case m == elf.EM_386:
		return "386"
	case m == elf.EM_X86_64 && wide:
		return "amd64"
	case m == elf.EM_X86_64:
		return "amd64p32"
	case m == elf.EM_AARCH64 && wide:
		return "arm64"
	case m == elf.EM_ARM:
		return "arm"
	case m == elf.EM_RISCV && wide:
		return "riscv64"
	case m == elf.EM_LOONGARCH && wide:
		return "loong64"
	case m == elf.EM_S390 && wide:
		return "s390x"
	case m == elf.EM_PPC64:
		return endian("ppc64", little)
	case m == elf.EM_MIPS && wide:
		return endian("mips64", little)
	case m == elf.EM_MIPS:
		return endian("mips", little)
	}
	return strings.ToLower(strings.TrimPrefix(m.String(), "EM_"))
}

func endian(arch string, little bool) string {
	if little {
		return arch + "le"
	}
	return arch
}

// system names the operating system by the header alone. Most of them leave it at zero and say it in a note.
func (f *elfFile) system() string {
	switch elf.OSABI(f.header.Ident[elf.EI_OSABI]) {
	case elf.ELFOSABI_FREEBSD:
		return "freebsd"
	case elf.ELFOSABI_NETBSD:
		return "netbsd"
	case elf.ELFOSABI_OPENBSD:
		return "openbsd"
	case elf.ELFOSABI_SOLARIS:
		return "solaris"
	}
	return "linux"
}

func (f *elfFile) fileType() Type {
	switch elf.Type(f.header.Type) {
	case elf.ET_DYN: // an executable, too, if the dynamic section says so
		return TypeLibrary
	case elf.ET_EXEC:
		return TypeExecutable
	case elf.ET_REL:
		return TypeObject
	case elf.ET_CORE:
		return TypeCore
	}
	return TypeUnknown
}

// libc tells which C library the image was built for, by the name under which it asks for it.
func libc(needed []string, system string) string {
	musl := func(s string) bool { return s == "libc.so" || strings.HasPrefix(s, "libc.musl-") }
	glibc := func(s string) bool { return s == "libc.so.6" || strings.HasPrefix(s, "ld-linux") }
	switch {
	case system == "android":
		return "bionic"
	case system != "linux":
		return ""
	case slices.ContainsFunc(needed, glibc):
		return "glibc"
	case slices.ContainsFunc(needed, musl):
		return "musl"
	}
	return ""
}

const (
	noteABI     = 1 // of owner "GNU"
	noteBuildID = 3 // of owner "GNU"
	noteGoBuild = 4 // of owner "Go"
)

// gnuSystems are what the first word of GNU's ABI note stands for.
var gnuSystems = map[uint32]string{0: "linux", 1: "hurd", 2: "solaris", 3: "freebsd", 4: "netbsd"}

// readNotes takes build id and system from the notes. Other notes are passed over, and so is the rest of a segment after
// a note that contradicts its size: no loader cares.
func (f *elfFile) readNotes(i *Info) error {
	for _, p := range f.segments {
		if p.Type != elf.PT_NOTE {
			continue
		}
		b, err := f.at(p.Off, min(p.Filesz, maxNotes))
		if err != nil {
			return err
		}
		align := uint64(4)
		if p.Align == 8 {
			align = 8
		}
		for len(b) >= 12 {
			nameLen, descLen, kind := uint64(f.order.Uint32(b)), uint64(f.order.Uint32(b[4:])), f.order.Uint32(b[8:])
			desc := roundUp(12+nameLen, align)
			if desc+descLen > uint64(len(b)) {
				break
			}
			f.note(i, strings.TrimRight(string(b[12:12+nameLen]), "\x00"), kind, b[desc:desc+descLen])
			b = b[min(roundUp(desc+descLen, align), uint64(len(b))):]
		}
	}
	return nil
}

func (f *elfFile) note(i *Info, owner string, kind uint32, desc []byte) {
	switch {
	case owner == "GNU" && kind == noteBuildID && i.BuildID == "":
		i.BuildID = hex.EncodeToString(desc[:min(len(desc), 64)])
	case owner == "GNU" && kind == noteABI && len(desc) >= 4:
		if s := gnuSystems[f.order.Uint32(desc)]; s != "" {
			i.System = s
		}
	case owner == "Go" && kind == noteGoBuild:
		i.Go = true
	case kind == 1 && (owner == "FreeBSD" || owner == "NetBSD" || owner == "OpenBSD" || owner == "Android"):
		i.System = strings.ToLower(owner)
	}
}

func roundUp(n, align uint64) uint64 { return (n + align - 1) / align * align }
