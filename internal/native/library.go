//go:build windows || (unix && cgo)

package native

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
)

// Library is a loaded image. Its methods are not safe for concurrent use; the functions it holds are.
type Library struct {
	path   string
	handle uintptr
	before []uintptr // handles of libraries it needs, in the order of loading
}

// Open loads the image at path, which must be a private copy that nobody will write to (package image stages one): an
// overwritten mapping kills the process. The loader runs the image's constructors, under the guard; the error is then a
// *Fault. A fault in DllMain is the loader's of Windows: what it answers then is the error.
//
// The loader finds a library that is loaded already, by its name or file, before it looks at the file; Open checks that there was none of
// this path, and that the code it got came from it. Other images of the same name do not matter to it.
//
// The libraries before are loaded first, in that order, so that the image finds them by their names wherever they lie. It is
// an error if another library of such a name is loaded already: the image would get that one.
func Open(path string, before ...string) (*Library, error) {
	installGuard()
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	l := &Library{path: path}
	loader.do(func() {
		if err = l.openBefore(before); err == nil {
			err = l.open()
		}
		if err != nil {
			l.closeBefore()
		}
	})
	if err != nil {
		return nil, err
	}
	loader.hold()
	return l, nil
}

func (l *Library) openBefore(paths []string) error {
	for _, path := range paths {
		h, err := load(path)
		if err != nil {
			return err
		}
		l.before = append(l.before, h)
		name := filepath.Base(path)
		switch used := loaded(name); used {
		case h:
		case 0: // a DLL has always the name of its file
			return fmt.Errorf("it needs %q, which has another SONAME or none, so that the loader cannot find it: link it with -Wl,-soname,%s, or the image with -Wl,-rpath,'$ORIGIN'", path, name)
		default:
			return fmt.Errorf("it needs %q, and another library of that name is loaded already, %q, which it would get: run it in a process of its own",
				path, moduleFile(used))
		}
	}
	return nil
}

func (l *Library) closeBefore() {
	for _, h := range slices.Backward(l.before) {
		if _, err := unload(h); err != nil {
			slog.Error("fault contained while a library was unloaded that an image had needed", "image", l.path, "error", err)
		}
	}
	l.before = nil
}

// Close unloads the image, running its destructors, or DllMain, under the guard. unloaded is false when the image stayed in memory all
// the same: somebody else has loaded it too, it has pinned itself, or the loader wants it so, as glibc does for unique symbols (C++ inline statics),
// thread-local destructors still to run, -z nodelete and libraries built by Go. One that makes thread-specific data on Unix is left there by
// this function, for the same end.
func (l *Library) Close() (unloaded bool, err error) {
	defer loader.release()
	loader.do(func() {
		unloaded, err = l.close()
		l.closeBefore()
	})
	forgetSymbols(l.path)
	return unloaded, err
}
