//go:build windows || (unix && cgo)

package native

import (
	"unsafe"

	"github.com/isapid/isapid/internal/isapi"
	"github.com/isapid/isapid/internal/trace"
)

// Signatures a call can have.
const (
	callPointer    = iota // DWORD or BOOL f(void *)
	callDword             // BOOL f(DWORD)
	callDLLMain           // BOOL f(void *, DWORD, void *)
	callCompletion        // void f(void *, void *, DWORD, DWORD)
	callOpen              // the loader's, by which a library comes
	callClose             // and goes
)

// notReturned is what call returns for a call that was left where it faulted.
const notReturned = ^uintptr(0)

// GetExtensionVersion calls the export of the image of that number. ok is what it returned, errno what it left; err is a *Fault.
func GetExtensionVersion(fn uintptr, image uint64) (info isapi.VersionInfo, ok bool, errno isapi.Error, err error) {
	v := (*isapi.VersionInfo)(zeroed(int(unsafe.Sizeof(info))))
	defer freeMem(unsafe.Pointer(v))
	ret, e, err := call(trace.GetExtensionVersion, image, callPointer, fn, uintptr(unsafe.Pointer(v)))
	return *v, ret != 0, isapi.Error(e), err
}

// TerminateExtension calls the export with isapi.TermAdvisoryUnload or TermMustUnload.
func TerminateExtension(fn uintptr, flags uint32, image uint64) (ok bool, err error) {
	ret, _, err := call(trace.TerminateExtension, image, callDword, fn, uintptr(flags))
	return ret != 0, err
}

// Complete calls an asynchronous completion callback, PFN_HSE_IO_COMPLETION.
func Complete(fn uintptr, s *Slot, context uintptr, n, code uint32) error {
	_, _, err := call(trace.Completion, 0, callCompletion, fn, s.Addr(), context, uintptr(n), uintptr(code))
	return err
}

// HTTPExtensionProc calls the export for the request in s. err is a *Fault.
func HTTPExtensionProc(fn uintptr, s *Slot) (status uint32, err error) {
	return extensionProc(fn, s.Addr())
}
