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

// Library is a loaded image. Its methods are not safe for concurrent use; the functions it holds are.
type Library struct {
	path   string
	handle uintptr
}

// Open loads the image at path, which must be a private copy that nobody will write to (package image stages one): an
// overwritten mapping kills the process. The loader runs the image's constructors, under the guard; the error is then a
// *Fault.
//
// The loader finds an already loaded library by name before it looks at the file; Open checks that the code it got came
// from path.
func Open(path string) (*Library, error) {
	installGuard()
	l := &Library{path: path}
	var err error
	loader.do(func() { err = l.open() })
	if err != nil {
		return nil, err
	}
	loader.hold()
	return l, nil
}

func (l *Library) open() error {
	cpath := C.CString(l.path)
	defer C.free(unsafe.Pointer(cpath))
	r, _, err := call(C.CALL_DLOPEN, 0, uintptr(unsafe.Pointer(cpath)), C.RTLD_NOW|C.RTLD_LOCAL)
	switch {
	case err != nil && r == notReturned:
		loader.poison()
		return err
	case err != nil: // half initialized: nothing of it can be used
		if r != 0 {
			l.handle = r
			_, _ = l.close()
		}
		return err
	case r == 0:
		return errors.New(C.GoString(C.dlerror()))
	}
	l.handle = r
	if got := C.GoString(C.isapid_libname(C.uintptr_t(r))); got != l.path {
		C.dlclose(ptr(r))
		return fmt.Errorf("the loader answered with %q, which is already loaded, instead of %q", got, l.path)
	}
	return nil
}

// Lookup returns the address of an exported symbol, or 0.
func (l *Library) Lookup(name string) (addr uintptr) {
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	loader.do(func() { addr = uintptr(C.dlsym(ptr(l.handle), cname)) })
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
	loader.do(func() { unloaded, err = l.close() })
	forgetSymbols(l.path)
	return unloaded, err
}

func (l *Library) close() (bool, error) {
	if leavesThreadKeys(l.path) {
		return false, nil
	}
	defer C.isapid_guard_again()
	r, _, err := call(C.CALL_DLCLOSE, 0, l.handle)
	if err != nil && r == notReturned {
		loader.poison()
		return false, err
	}
	cpath := C.CString(l.path)
	defer C.free(unsafe.Pointer(cpath))
	if h := C.dlopen(cpath, C.RTLD_NOLOAD|C.RTLD_LAZY); h != nil {
		C.dlclose(h)
		return false, err
	}
	return true, err
}
