//go:build unix && cgo

package native

// #include <dlfcn.h>
// #include <stdlib.h>
// #include "native.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"unsafe"
)

// Library is a loaded image. Its methods are not safe for concurrent use; the functions it holds are.
type Library struct {
	path   string
	handle uintptr
	before []uintptr // handles of libraries it needs, in the order of loading
}

// Open loads the image at path, which must be a private copy that nobody will write to (package image stages one): an
// overwritten mapping kills the process. The loader runs the image's constructors, under the guard; the error is then a
// *Fault.
//
// The loader finds an already loaded library by name before it looks at the file; Open checks that there was none of this path, and
// that the code it got came from it. Other images of the same SONAME do not matter to it.
//
// The libraries before are loaded first, in that order, so that the image finds them by their names wherever they lie. It is
// an error if another library of such a name is loaded already: the image would get that one.
func Open(path string, before ...string) (*Library, error) {
	installGuard()
	l := &Library{path: path}
	var err error
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
		h, err := dlopen(path)
		if err != nil {
			return err
		}
		l.before = append(l.before, h)
		name := filepath.Base(path)
		used := loaded(name)
		if used == 0 {
			return fmt.Errorf("it needs %q, which has another SONAME or none, so that the loader cannot find it: link it with -Wl,-soname,%s, or the image with -Wl,-rpath,'$ORIGIN'", path, name)
		}
		if used != h {
			return fmt.Errorf("it needs %q, and another library of that name is loaded already, %q, which it would get: run it in a process of its own",
				path, C.GoString(C.isapid_libname(C.uintptr_t(used))))
		}
	}
	return nil
}

func (l *Library) closeBefore() {
	for _, h := range slices.Backward(l.before) {
		if _, err := dlclose(h); err != nil {
			slog.Error("fault contained while a library was unloaded that an image had needed", "image", l.path, "error", err)
		}
	}
	l.before = nil
}

// dlopen loads a library under the guard.
func dlopen(path string) (handle uintptr, err error) {
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	r, _, err := call(0, 0, callOpen, 0, uintptr(unsafe.Pointer(cpath)), C.RTLD_NOW|C.RTLD_LOCAL)
	switch {
	case err != nil && r == notReturned:
		loader.poison()
		return 0, err
	case err != nil: // half initialized: nothing of it can be used
		if r != 0 {
			_, _ = dlclose(r)
		}
		return 0, err
	case r == 0:
		return 0, errors.New(C.GoString(C.dlerror()))
	}
	return r, nil
}

// dlclose unloads a library under the guard, if nothing else uses it.
func dlclose(handle uintptr) (ret uintptr, err error) {
	defer C.isapid_guard_again()
	ret, _, err = call(0, 0, callClose, 0, handle)
	if err != nil && ret == notReturned {
		loader.poison()
	}
	return ret, err
}

// loaded answers the handle of a loaded library, 0 if there is none of that name or path.
func loaded(name string) uintptr {
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	h := C.dlopen(cname, C.RTLD_NOLOAD|C.RTLD_LAZY)
	if h != nil {
		C.dlclose(h)
	}
	return uintptr(h)
}

func (l *Library) open() error {
	if loaded(l.path) != 0 { // an image that could not be unloaded may have had the same path, or file
		return fmt.Errorf("%q is loaded already: its new code would not run", l.path)
	}
	r, err := dlopen(l.path)
	if err != nil {
		return err
	}
	l.handle = r
	if got := C.GoString(C.isapid_libname(C.uintptr_t(r))); got != l.path {
		C.dlclose(ptr(r))
		return fmt.Errorf("the loader answered with %q, which is already loaded, instead of %q", got, l.path)
	}
	return nil
}

// Lookup returns the address of the first of these symbols that is exported, or 0.
func (l *Library) Lookup(names ...string) (addr uintptr) {
	loader.do(func() {
		for _, name := range names {
			cname := C.CString(name)
			addr = uintptr(C.dlsym(ptr(l.handle), cname))
			C.free(unsafe.Pointer(cname))
			if addr != 0 {
				return
			}
		}
	})
	return addr
}

// leavesThreadKeys tells whether the image may have made thread-specific data with a destructor (Free Pascal's cthreads
// does, and finds the function by name at run time). Unloaded, that destructor would be called at the end of every thread
// that ever ran its code, where there is no code any more. Nothing tells for sure; the name in the file is what there is.
func leavesThreadKeys(path string) bool {
	b, err := os.ReadFile(path)
	return err != nil || bytes.Contains(b, []byte("pthread_key_create"))
}

// Close unloads the image, running its destructors under the guard. unloaded is false when the image stayed in memory all the
// same, as glibc decides for unique symbols (C++ inline statics), thread-local destructors still to run, -z nodelete and
// libraries built by Go. One that makes thread-specific data is left there by this function, for the same end.
func (l *Library) Close() (unloaded bool, err error) {
	defer loader.release()
	loader.do(func() {
		unloaded, err = l.close()
		l.closeBefore()
	})
	forgetSymbols(l.path)
	return unloaded, err
}

func (l *Library) close() (bool, error) {
	if leavesThreadKeys(l.path) {
		return false, nil
	}
	rememberImage(l.path) // threads may still run its code
	ret, err := dlclose(l.handle)
	if ret == notReturned {
		return false, err
	}
	return loaded(l.path) == 0, err
}
