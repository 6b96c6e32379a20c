package image

import (
	"debug/pe"
	"errors"
	"fmt"
)

const maxExportNames = 1 << 16 // ordinals have 16 bits

// exportDirectory is IMAGE_EXPORT_DIRECTORY.
type exportDirectory struct {
	Characteristics, TimeDateStamp     uint32
	MajorVersion, MinorVersion         uint16
	Name, Base                         uint32
	NumberOfFunctions, NumberOfNames   uint32
	AddressOfFunctions, AddressOfNames uint32
	AddressOfNameOrdinals              uint32
}

const exportDirectorySize = 40

// readExports looks for entry points in the table GetProcAddress searches. Exports without a name are of no use to a host.
func (f *peFile) readExports(i *Info) error {
	where := f.dir(pe.IMAGE_DIRECTORY_ENTRY_EXPORT)
	if where.VirtualAddress == 0 {
		return nil
	}
	off, have, err := f.locate(uint64(where.VirtualAddress))
	if err != nil {
		return err
	}
	if have < exportDirectorySize {
		return errOutside
	}
	var d exportDirectory
	if err := f.decode(off, &d); err != nil {
		return err
	}
	if d.NumberOfNames > maxExportNames {
		return fmt.Errorf("%d names are more than any DLL has", d.NumberOfNames)
	}
	names, err := f.mem(uint64(d.AddressOfNames), uint64(d.NumberOfNames)*4)
	if err != nil && d.NumberOfNames > 0 {
		return err
	}
	for ; len(names) > 0; names = names[4:] {
		off, have, err := f.locate(uint64(f.order.Uint32(names)))
		if err != nil {
			return err
		}
		b, err := f.at(off, min(have, maxSymbol+1))
		if err != nil {
			return err
		}
		i.addExport(symbolName(b))
	}
	return nil
}

const (
	importSize = 20 // of IMAGE_IMPORT_DESCRIPTOR
	importName = 12 // offset of its field Name
	maxDLLName = 260
)

// readImports lists the DLLs Windows loads before this one. Those that are loaded at the first call into them (delayed
// imports) are left out: a library runs without them until then.
func (f *peFile) readImports() error {
	where := f.dir(pe.IMAGE_DIRECTORY_ENTRY_IMPORT)
	if where.VirtualAddress == 0 {
		return nil
	}
	for at := uint64(where.VirtualAddress); ; at += importSize {
		d, err := f.mem(at, importSize)
		if err != nil {
			return err
		}
		name := f.order.Uint32(d[importName:])
		if name == 0 {
			return nil
		}
		if len(f.imports) == maxNeeded {
			return errors.New("more needed DLLs than any real file has")
		}
		s, err := f.memString(uint64(name), maxDLLName)
		if err != nil {
			return err
		}
		f.imports = append(f.imports, s)
	}
}
