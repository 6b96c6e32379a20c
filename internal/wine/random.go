package wine

import (
	"fmt"
	"os"
	"path/filepath"
)

// giveRandom puts bcryptprimitives.dll into a prefix where Wine has none, for programs of that processor.
func (w *Wine) giveRandom(prefix, arch string) error {
	const name = "bcryptprimitives.dll"
	if _, ok := w.Brings(arch, name); ok {
		return nil
	}
	machine := machineAMD64
	if arch == "386" {
		machine = machineI386
	}
	path := filepath.Join(SystemFolder(prefix, arch), name)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.WriteFile(path, randomDLL(machine), 0o644); err != nil {
		return fmt.Errorf("put %s into the prefix: %w", name, err)
	}
	return nil
}

// giveAllRandom does so for several.
func (w *Wine) giveAllRandom(prefix string, arches []string) error {
	for _, a := range arches {
		if err := w.giveRandom(prefix, a); err != nil {
			return err
		}
	}
	return nil
}
