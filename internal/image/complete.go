package image

import (
	"debug/elf"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxSize is the size of the largest file that is taken for an image, in bytes.
const MaxSize = maxImage

// ErrNotImage says that a file is neither ELF nor PE.
var ErrNotImage = errors.New("neither an ELF nor a PE file")

// TruncatedError says that a file is shorter than it says of itself.
type TruncatedError struct {
	Have, Want int64 // bytes
	Loads      bool  // nothing is missing that a loader looks at, only symbols for debuggers
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("truncated: %d bytes of %d", e.Have, e.Want)
}

// Complete says whether a file of size bytes has all that its headers, program headers and section headers point to, for PE also
// the signature and the symbols. The error is a [*TruncatedError], of an empty file too, or [ErrNotImage], or one of reading. A file that
// contradicts itself otherwise is complete: [Inspect] finds that out.
func Complete(r io.ReaderAt, size int64) error {
	v := &view{r: r, size: uint64(size)}
	head, err := v.at(0, min(v.size, 4096))
	if err != nil {
		return err
	}
	var needed, want uint64
	switch sniff(head) {
	case FormatEmpty:
		return &TruncatedError{Want: 1}
	case FormatELF:
		needed, err = (&elfFile{view: v}).extent()
		want = needed
	case FormatPE:
		needed, want, err = (&peFile{view: v}).extent()
	default:
		return ErrNotImage
	}
	if err != nil || want <= v.size || want > maxImage {
		return err // more than an image may have: that number is wrong
	}
	return &TruncatedError{Have: size, Want: int64(want), Loads: needed <= v.size}
}

// extent is the first byte after all that the file should have, as far as what is there says so.
func (f *elfFile) extent() (uint64, error) {
	header := uint64(binary.Size(elf.Header64{}))
	if f.size < header {
		return header, nil // also of a 32-bit file: no real one is so short
	}
	if f.readHeader() != nil {
		return 0, nil
	}
	end := header
	err := f.readSegments()
	if errors.Is(err, errCut) {
		end = max(end, after(f.header.Phoff, uint64(f.header.Phnum)*uint64(f.header.Phentsize)))
	} else if err != nil {
		return 0, readError(err)
	}
	for _, p := range f.segments {
		if p.Type != elf.PT_NULL {
			end = max(end, after(p.Off, p.Filesz))
		}
	}
	if size := uint64(f.pick(binary.Size(elf.Section32{}), binary.Size(elf.Section64{}))); f.header.Shoff != 0 && uint64(f.header.Shentsize) == size {
		end = max(end, after(f.header.Shoff, max(uint64(f.header.Shnum), 1)*size))
	}
	f.checkComplete(&Info{})
	for _, s := range f.sections {
		if s.Type != elf.SHT_NULL && s.Type != elf.SHT_NOBITS {
			end = max(end, after(s.Offset, s.FileSize))
		}
	}
	return end, nil
}

// extent is the first byte after all that the loader looks at, and after all that the file should have.
func (f *peFile) extent() (needed, all uint64, err error) {
	f.order = binary.LittleEndian
	at, err := f.readHeader()
	if errors.Is(err, errCut) {
		return f.size + 1, f.size + 1, nil // how much is missing stands in what is missing
	} else if err != nil {
		return 0, 0, readError(err)
	}
	sections := at + uint64(f.header.SizeOfOptionalHeader)
	needed = after(sections, uint64(f.header.NumberOfSections)*uint64(binary.Size(pe.SectionHeader32{})))
	headers, err := f.readOptional(at)
	if errors.Is(err, errCut) {
		return needed, needed, nil
	} else if err != nil {
		return 0, 0, readError(err)
	}
	list, err := f.readSections(sections, headers)
	if err != nil && !errors.Is(err, errCut) {
		return 0, 0, readError(err)
	}
	for _, s := range list {
		needed = max(needed, after(uint64(s.PointerToRawData), uint64(s.SizeOfRawData)))
	}
	signature := f.dir(pe.IMAGE_DIRECTORY_ENTRY_SECURITY)
	needed = max(needed, after(uint64(signature.VirtualAddress), uint64(signature.Size)))
	return needed, max(needed, f.symbolsEnd()), nil
}

// symbolsEnd is the first byte after the symbols and the strings after them, which begin with their length. 0: there are none.
func (f *peFile) symbolsEnd() uint64 {
	const symbolSize, lengthSize = 18, 4
	if f.header.PointerToSymbolTable == 0 || f.header.NumberOfSymbols == 0 {
		return 0
	}
	end := uint64(f.header.PointerToSymbolTable) + symbolSize*uint64(f.header.NumberOfSymbols)
	length, err := f.at(end, lengthSize)
	if err != nil {
		return end + lengthSize
	}
	return end + max(lengthSize, uint64(f.order.Uint32(length)))
}

// after is off+n, or the largest number there is if that is larger.
func after(off, n uint64) uint64 {
	if n == 0 {
		return 0
	}
	if off+n < off {
		return ^uint64(0)
	}
	return off + n
}

// readError is err if the file could not be read, and nil if it was, but makes no sense.
func readError(err error) error {
	var failed interface{ Timeout() bool } // what the system calls return
	if errors.Is(err, io.EOF) || errors.As(err, &failed) {
		return err
	}
	return nil
}
