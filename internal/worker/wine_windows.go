package worker

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// wineVersion is the version of Wine that this process runs in; "" on Windows.
func wineVersion() string {
	version := windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version")
	if version.Find() != nil {
		return ""
	}
	text, _, _ := version.Call()
	return windows.BytePtrToString(*(**byte)(unsafe.Pointer(&text)))
}
