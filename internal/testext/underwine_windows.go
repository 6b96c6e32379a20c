package testext

import "golang.org/x/sys/windows"

// UnderWine tells whether this system is Wine, which is not Windows in every respect.
func UnderWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}
