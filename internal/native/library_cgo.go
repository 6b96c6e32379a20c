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
	"os"
	"unsafe"
)

// load loads a library under the guard.
func load(path string) (handle uintptr, err error) {
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	r, _, err := call(0, 0, callOpen, 0, uintptr(unsafe.Pointer(cpath)), C.RTLD_NOW|C.RTLD_LOCAL)
	switch {
	case err != nil && r == notReturned:
		loader.poison()
		return 0, err
	case err != nil: // half initialized: nothing of it can be used
		if r != 0 {
			_, _ = unload(r)
		}
		return 0, err
	case r == 0:
		return 0, errors.New(C.GoString(C.dlerror()))
	}
	return r, nil
}

// unload takes a library away under the guard, if nothing else uses it.
func unload(handle uintptr) (ret uintptr, err error) {
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

// moduleFile is the path that a library was loaded from.
func moduleFile(handle uintptr) string { return C.GoString(C.isapid_libname(C.uintptr_t(handle))) }

func (l *Library) open() error {
	if loaded(l.path) != 0 { // an image that could not be unloaded may have had the same path, or file
		return fmt.Errorf("%q is loaded already: its new code would not run", l.path)
	}
	r, err := load(l.path)
	if err != nil {
		return err
	}
	if got := moduleFile(r); got != l.path {
		_, _ = unload(r)
		return fmt.Errorf("the loader answered with %q, which is already loaded, instead of %q", got, l.path)
	}
	l.handle = r
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

func (l *Library) close() (bool, error) {
	if leavesThreadKeys(l.path) {
		return false, nil
	}
	rememberImage(l.path) // threads may still run its code
	ret, err := unload(l.handle)
	if ret == notReturned {
		return false, err
	}
	return loaded(l.path) == 0, err
}
