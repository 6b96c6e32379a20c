package worker

import (
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/underwine"
)

// setEnvironment gives this process variables, "NAME=text" each, before a library is loaded: in the place of what Wine has them be, which
// takes PATH, TEMP and others from its registry. C runtimes that are loaded already have a copy of all.
//
// TZ has done its work when Wine knows the time zone: there are none of its names on Windows, where "Europe/Berlin" is taken for a zone without
// summer time, an hour off.
func setEnvironment(list []string) {
	const zone = "TZ"
	if underwine.Version() != "" && os.Getenv(zone) != "" {
		_ = os.Unsetenv(zone)
		tellRuntimes(zone + "=")
	}
	for _, v := range list {
		name, text, _ := strings.Cut(v, "=")
		if name != zone && os.Getenv(name) != text && os.Setenv(name, text) == nil {
			tellRuntimes(v)
		}
	}
}

// tellRuntimes gives the C runtimes a variable.
func tellRuntimes(variable string) {
	for _, runtime := range runtimes {
		tellRuntime(runtime, variable)
	}
}

// tellRuntime gives a C runtime a variable.
func tellRuntime(runtime, variable string) {
	proc := windows.NewLazySystemDLL(runtime).NewProc("_wputenv")
	text, err := windows.UTF16PtrFromString(variable)
	if err != nil || proc.Find() != nil {
		return
	}
	_, _, _ = syscall.SyscallN(proc.Addr(), uintptr(unsafe.Pointer(text)))
}
