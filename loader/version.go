//go:build cgo

package main

// #include <stdlib.h>
// #include "loader.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/isapid/isapid/internal/image"
	"github.com/isapid/isapid/internal/update"
)

// version is one build of the extension: a private copy that nobody changes, and its code in memory. The copy is
// removed with dispose.
type version struct {
	staged *image.Staged
	info   *image.Info
	image  *C.struct_image
	ended  bool // it was told to end, and is not in memory, or hangs
	hangs  bool // its code has not returned: nothing can be freed
}

// stage copies a version. sum is its hash, "" if that is not known.
func (p place) stage(file, sum string) (*version, error) {
	staged, err := image.StageVersion(p.run(), file, sum, p.staging)
	if err != nil {
		return nil, err
	}
	v := &version{staged: staged}
	if v.info, err = staged.Inspect(); err != nil {
		return nil, errors.Join(err, v.dispose())
	}
	v.image = newImage(v.libraries(), v.stays())
	return v, nil
}

// libraries are the paths of what has to be loaded, in that order.
func (v *version) libraries() (paths []string) {
	for _, lib := range slices.Backward(v.info.Needed) {
		if lib.Beside {
			paths = append(paths, lib.Path)
		}
	}
	return append(paths, v.staged.Path)
}

// stays tells whether the code has to stay in memory for good: if it may have made thread-specific data with a destructor, as Free Pascal's
// thread manager does, that would be called at the end of every thread that ever ran it.
func (v *version) stays() bool {
	if runtime.GOOS == "windows" {
		return false
	}
	b, err := os.ReadFile(v.staged.Path)
	return err != nil || bytes.Contains(b, []byte("pthread_key_create"))
}

// copy is the version for package update.
func (v *version) copy() update.Copy {
	if v == nil {
		return update.Copy{}
	}
	return update.Copy{Path: v.staged.Path, SHA256: v.staged.SHA256}
}

// check says why the version, which came from file, cannot be loaded, as far as that tells.
func (v *version) check(file string) error {
	v.info.Path = file // it is what people know
	if err := v.info.LoadableHere(); err != nil {
		return err
	}
	if k := v.info.Kind; k != image.KindExtension && k != image.KindBoth {
		return errors.New("it is a filter, not an extension")
	}
	return known.check(v)
}

// load runs the code that loads it. It takes as long as GetExtensionVersion does.
func (v *version) load() error {
	C.isapiloader_load(v.image)
	return v.loaded()
}

// loaded says how load did.
func (v *version) loaded() error {
	if v.image.loaded == 0 {
		return errors.New(C.GoString(&v.image.why[0]))
	}
	return nil
}

// unload ends it and takes it out of memory, and tells whether it is. Nothing may be inside.
func (v *version) unload() (gone bool) { return C.isapiloader_unload(v.image) != 0 }

// serve sends requests to v; nil: to nobody.
func serve(v *version) {
	if v == nil {
		C.isapiloader_serve(nil)
		return
	}
	C.isapiloader_serve(v.image)
}

// hold keeps new requests from entering until the next serve.
func hold() { C.isapiloader_hold() }

// waited is how many requests had to wait since the last call.
func waited() int { return int(C.isapiloader_waited()) }

// inside is how many requests are in it.
func (v *version) inside() int { return int(C.isapiloader_inside(v.image)) }

// idle waits until nothing is inside, and tells whether that came about within limit.
func (v *version) idle(limit time.Duration) bool {
	for began := time.Now(); v.inside() > 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > limit {
			return false
		}
	}
	return true
}

// describe is what it said of itself.
func (v *version) describe() string { return C.GoString(&v.image.description[0]) }

// dispose removes the copy and frees what describes it, unless code of it hangs. Nothing may be inside.
func (v *version) dispose() error {
	if v.hangs {
		return nil
	}
	if v.image != nil {
		freeImage(v.image)
		v.image = nil
	}
	return v.staged.Remove()
}

func newImage(paths []string, keep bool) *C.struct_image {
	i := (*C.struct_image)(C.calloc(1, C.sizeof_struct_image))
	n := C.size_t(len(paths) + 1)
	i.paths = (**C.char)(C.calloc(n, C.size_t(unsafe.Sizeof(uintptr(0)))))
	i.handles = (*unsafe.Pointer)(C.calloc(n, C.size_t(unsafe.Sizeof(uintptr(0)))))
	for k, path := range paths {
		unsafe.Slice(i.paths, n)[k] = C.CString(path)
	}
	if keep {
		i.keep = 1
	}
	return i
}

func freeImage(i *C.struct_image) {
	for k := 0; ; k++ {
		path := *(**C.char)(unsafe.Add(unsafe.Pointer(i.paths), uintptr(k)*unsafe.Sizeof(uintptr(0))))
		if path == nil {
			break
		}
		C.free(unsafe.Pointer(path))
	}
	C.free(unsafe.Pointer(i.paths))
	C.free(unsafe.Pointer(i.handles))
	C.free(unsafe.Pointer(i))
}

// uniques are the unique symbols (STB_GNU_UNIQUE) of the versions that were loaded, with the hash of the first version that had each. The
// system's loader binds every other version to the data of that one, which stays in memory for good.
type uniques map[string]string

var known = uniques{}

func (u uniques) check(v *version) error {
	for _, name := range v.info.Unique {
		if sum := u[name]; sum != "" && sum != v.staged.SHA256 {
			return fmt.Errorf("its symbol %q is unique in a process (STB_GNU_UNIQUE) and belongs to another version (SHA-256 %.16s…), which stays in memory: "+
				"the new code would work with the data of the old. Build it with -fno-gnu-unique, or restart the host", name, sum)
		}
	}
	return nil
}

func (u uniques) note(v *version) {
	for _, name := range v.info.Unique {
		if u[name] == "" {
			u[name] = v.staged.SHA256
		}
	}
}

// mayStay says why it could not be taken out of memory.
func (v *version) mayStay() string {
	if len(v.info.NoUnload) > 0 {
		return strings.Join(v.info.NoUnload, "; ")
	}
	return "thread-specific data, or threads of its own"
}
