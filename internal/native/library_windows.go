package native

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	loadLibraryEx = kernel32.NewProc("LoadLibraryExW")
	freeLibrary   = kernel32.NewProc("FreeLibrary")
)

// load loads a library under the guard. Libraries that it needs are looked for beside it, then where the system has its own.
func load(path string) (handle uintptr, err error) {
	if filepath.Ext(path) == "" {
		path += "." // or it would be another file, of that name and .dll
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	before := readMaps()
	h, errno, err := call(0, 0, callOpen, loadLibraryEx.Addr(), uintptr(unsafe.Pointer(name)), 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH)
	switch {
	case err != nil:
		return 0, err
	case h == 0:
		return 0, loadError(path, errno)
	}
	filterAgain()
	hookNew(before)
	return h, nil
}

// unload takes a library away under the guard, if nothing else uses it.
func unload(handle uintptr) (ret uintptr, err error) {
	ret, _, err = call(0, 0, callClose, freeLibrary.Addr(), handle)
	return ret, err
}

// loadError says why a library could not be loaded.
func loadError(path string, errno syscall.Errno) error {
	switch errno {
	case windows.ERROR_MOD_NOT_FOUND:
		if name := missing(path); name != "" {
			return fmt.Errorf("%q needs %q, which is not found beside it nor where the system has its libraries", path, name)
		}
	case windows.ERROR_DLL_INIT_FAILED:
		return errors.New("DllMain(DLL_PROCESS_ATTACH) returned FALSE")
	case windows.ERROR_BAD_EXE_FORMAT:
		return fmt.Errorf("%q is no library for this program, or it is damaged", path)
	case windows.ERROR_NOACCESS:
		return fmt.Errorf("DllMain(DLL_PROCESS_ATTACH) of %q faulted: %w", path, errno)
	}
	return fmt.Errorf("load %q: %w", path, errno)
}

// loaded answers the handle of a loaded library, 0 if there is none of that name or path.
func loaded(name string) uintptr {
	n, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return 0
	}
	var h windows.Handle
	if windows.GetModuleHandleEx(windows.GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, n, &h) != nil {
		return 0
	}
	return uintptr(h)
}

// moduleFile is the path that a library was loaded from.
func moduleFile(handle uintptr) string {
	for size := 512; ; size *= 8 {
		buf := make([]uint16, size)
		n, err := windows.GetModuleFileName(windows.Handle(handle), &buf[0], uint32(len(buf)))
		switch {
		case n == 0:
			return ""
		case err == nil && int(n) < len(buf) || size > 32<<10:
			return windows.UTF16ToString(buf[:n])
		}
	}
}

// openPaths are the paths that images were opened by, by how the system may write them.
var openPaths sync.Map

func (l *Library) open() error {
	if loaded(l.path) != 0 { // an image that could not be unloaded may have had the same path
		return fmt.Errorf("%q is loaded already: its new code would not run", l.path)
	}
	h, err := load(l.path)
	if err != nil {
		return err
	}
	if got := moduleFile(h); !strings.EqualFold(strings.TrimSuffix(got, "."), l.path) {
		_, _ = unload(h)
		return fmt.Errorf("the loader answered with %q, which is already loaded, instead of %q", got, l.path)
	}
	l.handle = h
	openPaths.Store(strings.ToLower(l.path), l.path)
	return nil
}

// Lookup returns the address of the first of these symbols that is exported, or 0. DllMain is not for others to call: where it is
// exported, Lookup does not find it.
func (l *Library) Lookup(names ...string) (addr uintptr) {
	for _, name := range names {
		if strings.Contains(name, "DllMain") {
			continue
		}
		if p, err := windows.GetProcAddress(windows.Handle(l.handle), name); err == nil {
			return p
		}
	}
	return 0
}

func (l *Library) close() (unloaded bool, err error) {
	rememberImage(l.path) // threads may still run its code
	_, err = unload(l.handle)
	if unloaded = loaded(l.path) == 0; unloaded {
		forgetFunctions(l.path)
	}
	openPaths.Delete(strings.ToLower(l.path))
	return unloaded, err
}
