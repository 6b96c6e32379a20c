package native

import (
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// LibraryThread is a thread that a library made.
type LibraryThread struct {
	ID    int    // as the system tells it
	Image uint64 // the number of the image its code lies in, if that has been called; 0: not known
	Start Frame  // the function it began with, which may be one of the C library
}

var (
	ntQueryInformationThread = ntdll.NewProc("NtQueryInformationThread")
	openThread               = kernel32.NewProc("OpenThread")
)

const (
	startAddress           = 9 // ThreadQuerySetWin32StartAddress
	threadQueryInformation = 0x40
	maxLibraryThreads      = 1000
)

// imagesOf are the numbers of images by the addresses of their functions that were called.
var imagesOf sync.Map

// noteImage remembers whose function that is.
func noteImage(fn uintptr, image uint64) {
	if image == 0 {
		return
	}
	if before, ok := imagesOf.Load(fn); !ok || before != image {
		imagesOf.Store(fn, image)
	}
}

// forgetFunctions forgets those of an image that has been unloaded.
func forgetFunctions(path string) {
	imagesOf.Range(func(fn, _ any) bool {
		if m := formerImage(fn.(uintptr)); m != nil && m.path == path {
			imagesOf.Delete(fn)
		}
		return true
	})
}

// LibraryThreads are the threads that libraries have made and that have not ended, a thousand at most: those that did not begin in this
// program nor in what the system makes threads with for itself.
func LibraryThreads() (threads []LibraryThread) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return nil
	}
	defer windows.CloseHandle(snapshot)
	maps, self, process := readMaps(), programBase(), windows.GetCurrentProcessId()
	t := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err := windows.Thread32First(snapshot, &t); err == nil && len(threads) < maxLibraryThreads; err = windows.Thread32Next(snapshot, &t) {
		if t.OwnerProcessID != process {
			continue
		}
		start := threadStart(t.ThreadID)
		m := maps.find(start)
		if m == nil || m.start == self || strings.EqualFold(filepath.Base(m.path), "ntdll.dll") {
			continue
		}
		th := LibraryThread{ID: int(t.ThreadID), Image: imageOf(m)}
		if frames := callers.symbolize([]uintptr{start}); len(frames) > 0 {
			th.Start = frames[0]
		}
		threads = append(threads, th)
	}
	return threads
}

// imageOf is the number of the image at m.
func imageOf(m *mapping) (image uint64) {
	imagesOf.Range(func(fn, number any) bool {
		if at := fn.(uintptr); at >= m.start && at < m.end {
			image = number.(uint64)
		}
		return image == 0
	})
	return image
}

// threadStart is where a thread began; 0 if it is gone.
func threadStart(id uint32) (start uintptr) {
	h, _, _ := openThread.Call(threadQueryInformation, 0, uintptr(id))
	if h == 0 {
		return 0
	}
	defer windows.CloseHandle(windows.Handle(h))
	_, _, _ = ntQueryInformationThread.Call(h, startAddress, uintptr(unsafe.Pointer(&start)), unsafe.Sizeof(start), 0)
	return start
}

// programBase is where this program lies.
func programBase() uintptr {
	var h windows.Handle
	_ = windows.GetModuleHandleEx(windows.GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, nil, &h)
	return uintptr(h)
}
