package wine

import (
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

// Loadable returns nil if this machine can load an image, here or, if it is a Windows library and this is not Windows, in a Windows worker under Wine,
// as far as the files tell. find, which may be [Find], is called for such libraries only; the prefix need not have been made yet. The error is one sentence for people:
// which file, what is wrong, and what would help.
func (s Setup) Loadable(i *image.Info, find func() (*Wine, error)) error {
	if !Concerns(i) {
		return i.LoadableHere()
	}
	w, missing := find()
	if err := i.LoadableIn(Host(w, s.Place(), i.Arch)); err != nil {
		return err
	}
	if missing == nil {
		missing = w.Supports(i.Arch)
	}
	if missing == nil {
		_, missing = s.Worker(i.Arch)
	}
	if missing != nil {
		return fmt.Errorf("%q: %w", filepath.Base(i.Path), missing)
	}
	return nil
}

// Concerns tells whether an image is a Windows one and this is another system.
func Concerns(i *image.Info) bool {
	return i.System == "windows" && runtime.GOOS != "windows"
}

// Host is what a Windows worker for that processor is to an image. Without a Wine, which is nil then, it is taken for any Windows.
func Host(w *Wine, prefix, arch string) image.Host {
	h := image.Host{System: "windows", Arch: arch}
	if w != nil {
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
	folder := "system32"
	if arch == "386" {
		folder = "syswow64"
	}
	windows := filepath.Join(prefix, "drive_c", "windows")
	for _, dir := range []string{filepath.Join(windows, folder), windows} {
		if path, ok := findFold(dir, name); ok {
			return path, true
		}
	}
	return "", false
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
