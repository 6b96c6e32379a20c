package underwine

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Version is that of the Wine in which this process runs, such as "8.0"; "" on Windows itself and on other systems.
var Version = sync.OnceValue(func() string {
	version := windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version")
	if version.Find() != nil {
		return ""
	}
	text, _, _ := version.Call()
	return windows.BytePtrToString(*(**byte)(unsafe.Pointer(&text)))
})
