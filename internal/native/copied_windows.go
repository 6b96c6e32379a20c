package native

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/underwine"
)

// An image that is loaded from a copy is told that it lies where its original does: it looks for its files there, and makes new ones there,
// which would go with the copy. What it and the libraries beside it import for that is replaced; and under Wine what they tell a debugger, of which
// there is none, goes to the standard error.

// originals are the folders that folders of copies stand for; the latter in lower case.
var originals = struct {
	sync.RWMutex
	of map[string]string
}{of: map[string]string{}}

var (
	getModuleFileNameA  = kernel32.NewProc("GetModuleFileNameA")
	getModuleFileNameW  = kernel32.NewProc("GetModuleFileNameW")
	wideCharToMultiByte = kernel32.NewProc("WideCharToMultiByte")
)

// told are the functions whose answers are ours, by their numbers.
var told = [...]string{"GetModuleFileNameA", "GetModuleFileNameW", "OutputDebugStringA", "OutputDebugStringW"}

// What the assembly jumps to: ours, and the system's own, which threads get that hold the loader's lock, as in DllMain.
var copiedInGo, copiedBefore [len(told)]uintptr

// copiedAddresses writes where the functions are that choose.
func copiedAddresses(to *[len(told)]uintptr)

// replaced are what is put in the place of functions, by their names.
var replaced = sync.OnceValue(func() map[string]uintptr {
	for i, f := range [...]any{fileNameA, fileNameW, debugA, debugW} {
		copiedInGo[i], copiedBefore[i] = windows.NewCallback(f), kernel32.NewProc(told[i]).Addr()
	}
	var at [len(told)]uintptr
	copiedAddresses(&at)
	all := map[string]uintptr{}
	for i, name := range told {
		if underwine.Version() != "" || !strings.HasPrefix(name, "OutputDebug") {
			all[name] = at[i]
		}
	}
	return all
})

// Copied says that the images in folder, which are loaded later, are copies of those in original: GetModuleFileName answers with that, but
// within DllMain. It holds as long as this process lives, for threads of an image may outlive it.
func Copied(folder, original string) {
	originals.Lock()
	originals.of[strings.ToLower(folder)] = original
	originals.Unlock()
}

// originally is the path of what a copy is of; path itself if it is no copy.
func originally(path string) string {
	n := strings.LastIndexByte(path, '\\')
	if n < 0 {
		return path
	}
	originals.RLock()
	defer originals.RUnlock()
	if folder, ok := originals.of[strings.ToLower(path[:n])]; ok {
		return strings.TrimSuffix(folder, `\`) + path[n:]
	}
	return path
}

// hookCopied hooks an image that is a copy, or lies beside one.
func hookCopied(image mapping) {
	if originally(image.path) == image.path {
		return
	}
	eachImport(image, func(name string, slot uintptr) {
		if hook := replaced()[name]; hook != 0 {
			setSlot(slot, hook)
		}
	})
}

// fileNameW is GetModuleFileNameW as images get it.
func fileNameW(module, buffer, size uintptr) uintptr {
	wide, err := windows.UTF16FromString(originally(moduleFile(module)))
	if err != nil || len(wide) == 1 {
		n, _, _ := getModuleFileNameW.Call(module, buffer, size)
		return n
	}
	return given(wide, buffer, uint32(size))
}

// fileNameA is GetModuleFileNameA as images get it.
func fileNameA(module, buffer, size uintptr) uintptr {
	wide, err := windows.UTF16FromString(originally(moduleFile(module)))
	if err != nil || len(wide) == 1 {
		n, _, _ := getModuleFileNameA.Call(module, buffer, size)
		return n
	}
	const codePage = 0 // CP_ACP: the system's
	narrow := make([]byte, 3*len(wide))
	n, _, _ := wideCharToMultiByte.Call(codePage, 0, uintptr(unsafe.Pointer(&wide[0])), uintptr(len(wide)),
		uintptr(unsafe.Pointer(&narrow[0])), uintptr(len(narrow)), 0, 0)
	return given(narrow[:min(int(uint32(n)), len(narrow))], buffer, uint32(size))
}

// maxTold is how much is taken of a text for a debugger, in characters.
const maxTold = 4096

// debugA is OutputDebugStringA as images get it.
func debugA(text uintptr) uintptr {
	_ = Protect(func() isapi.Error { return toStandardError(String(text, maxTold)) })
	return 0
}

// debugW is OutputDebugStringW.
func debugW(text uintptr) uintptr {
	_ = Protect(func() isapi.Error { return toStandardError(windows.UTF16ToString(WideString(text, maxTold))) })
	return 0
}

func toStandardError(text string) isapi.Error {
	fmt.Fprintln(os.Stderr, strings.TrimRight(text, "\r\n"))
	return isapi.OK
}

// given copies a text that ends with 0 into a buffer of so many characters. As GetModuleFileName does, it cuts off what has no room, and then
// answers the size.
func given[T byte | uint16](text []T, buffer uintptr, size uint32) uintptr {
	if len(text) == 0 || size == 0 {
		return 0
	}
	n := uintptr(len(text) - 1)
	if uint64(len(text)) > uint64(size) {
		text = append(text[:size-1:size-1], 0)
		n = uintptr(size)
	}
	if Protect(func() isapi.Error {
		for i, c := range text {
			Write(buffer+uintptr(i)*unsafe.Sizeof(c), c)
		}
		return isapi.OK
	}) != isapi.OK {
		return 0
	}
	return n
}
