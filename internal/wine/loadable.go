package wine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/isapid/isapid/internal/image"
)

// Setup is what an operator may choose. The zero value is fine.
type Setup struct {
	Prefix  string // "": DefaultPrefix
	Workers string // folder with the Windows workers; "": WorkerFolders
}

// Place is the prefix.
func (s Setup) Place() string {
	if s.Prefix != "" {
		return s.Prefix
	}
	return DefaultPrefix()
}

// Loadable returns nil if this machine can load an image, as far as the files tell: here, or in a Windows worker, which a 32-bit library
// needs on 64-bit Windows, and any Windows library, together with Wine, elsewhere. find, which may be [Find], is called for such libraries only; the prefix need not have been made yet. The error is one sentence for people:
// which file, what is wrong, and what would help.
func (s Setup) Loadable(i *image.Info, find func() (*Wine, error)) error {
	switch {
	case i.System != "windows" || runtime.GOOS == "windows" && i.Arch == runtime.GOARCH:
		return i.LoadableHere()
	case runtime.GOOS == "windows" && runtime.GOARCH == "amd64" && i.Arch == "386":
		if err := i.LoadableIn(Host(nil, "", i.Arch)); err != nil {
			return err
		}
		_, err := s.Worker(i.Arch)
		return err
	case runtime.GOOS == "windows":
		return i.LoadableHere()
	}
	w, missing := find()
	if err := i.LoadableIn(Host(w, s.Place(), i.Arch)); err != nil {
		return err
	}
	switch {
	case missing == nil:
		missing = w.Supports(i.Arch)
	case errors.Is(missing, errNone) && i.Arch == "386":
		missing = errNone32
	}
	if missing == nil {
		_, missing = s.Worker(i.Arch)
	}
	if missing != nil {
		return fmt.Errorf("%s: %w", filepath.Base(i.Path), missing)
	}
	return nil
}

// Concerns tells whether an image is a Windows one and this is another system.
func Concerns(i *image.Info) bool {
	return i.System == "windows" && runtime.GOOS != "windows"
}

// Host is what a Windows worker for that processor is to an image. Without a Wine, which is nil then, or if it has nothing for that processor, it is taken
// for any Windows.
func Host(w *Wine, prefix, arch string) image.Host {
	h := image.Host{System: "windows", Arch: arch}
	if w != nil && w.Libraries[arch] != "" {
		h.Brings = func(name string) bool {
			_, ok := w.Has(prefix, arch, name)
			return ok
		}
	}
	return h
}

// Has returns the file of a library that a program for that processor finds in a prefix: Wine's own, or one that somebody has put there.
func (w *Wine) Has(prefix, arch, name string) (string, bool) {
	if path, ok := w.Brings(arch, name); ok {
		return path, true
	}
	system := SystemFolder(prefix, arch)
	for _, dir := range []string{system, filepath.Dir(system)} {
		if path, ok := findFold(dir, name); ok {
			return path, true
		}
	}
	return "", false
}

// SystemFolder is where the libraries of Windows itself are in a prefix, for programs for that processor.
func SystemFolder(prefix, arch string) string {
	folder := "system32"
	if arch == "386" {
		folder = "syswow64"
	}
	return filepath.Join(prefix, "drive_c", "windows", folder)
}

// findFold finds a file in a folder as Windows does, whatever the case of its name.
func findFold(dir, name string) (string, bool) {
	if name != filepath.Base(name) {
		return "", false
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", false
	}
	for _, e := range list {
		if strings.EqualFold(e.Name(), name) && !e.IsDir() {
			return filepath.Join(dir, e.Name()), true
		}
	}
	return "", false
}
