package native

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Library is a loaded image. Its methods are not safe for concurrent use; the functions it holds are.
type Library struct {
	path   string
	handle uintptr
	before []uintptr // handles of libraries it needs, in the order of loading
}

var (
	loadLibraryEx = kernel32.NewProc("LoadLibraryExW")
	freeLibrary   = kernel32.NewProc("FreeLibrary")
)

// Open loads the image at path, which must be a private copy that nobody will write to (package image stages one). The loader runs
// DllMain, under the guard. A fault in it is the loader's: what it answers then is the error.
//
// The loader finds an already loaded library by its file before it looks for one; Open checks that there was none of this path, and
// that the code it got came from it. Other images of the same name do not matter to it.
//
// The libraries before are loaded first, in that order, so that the image finds them by their names wherever they lie. It is
// an error if another library of such a name is loaded already: the image would get that one. Other libraries the image needs are
// looked for beside it, then where the system has its own.
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
		if used := loaded(filepath.Base(path)); used != h {
			return fmt.Errorf("it needs %q, and another library of that name is loaded already, %q, which it would get: run it in a process of its own",
				path, moduleFile(used))
		}
	}
	return nil
}

func (l *Library) closeBefore() {
	for _, h := range slices.Backward(l.before) {
		if err := unload(h); err != nil {
			slog.Error("fault contained while a library was unloaded that an image had needed", "image", l.path, "error", err)
		}
	}
	l.before = nil
}

// load loads a library under the guard.
func load(path string) (handle uintptr, err error) {
	if filepath.Ext(path) == "" {
		path += "." // or it would be another file, of that name and .dll
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	before := readMaps()
	var h uintptr
	var errno syscall.Errno
	listening(func() {
		h, errno, err = call(0, 0, callOpen, loadLibraryEx.Addr(), uintptr(unsafe.Pointer(name)), 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH)
	})
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
func unload(handle uintptr) error {
	_, _, err := call(0, 0, callClose, freeLibrary.Addr(), handle)
	return err
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
		_ = unload(h)
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

// Close unloads the image; the loader runs its DllMain, under the guard. unloaded is false when the image stayed in memory all the
// same: somebody else has loaded it too, or it has pinned itself.
func (l *Library) Close() (unloaded bool, err error) {
	defer loader.release()
	loader.do(func() {
		rememberImage(l.path) // threads may still run its code
		err = unload(l.handle)
		if unloaded = loaded(l.path) == 0; unloaded {
			forgetFunctions(l.path)
		}
		l.closeBefore()
	})
	openPaths.Delete(strings.ToLower(l.path))
	forgetSymbols(l.path)
	return unloaded, err
}
