package native

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/testext"
)

// TestIdentity: what a library forgets to take back is not the identity of what comes next on its thread, also when it faults.
func TestIdentity(t *testing.T) {
	defer takesBack.Store(takesBack.Swap(true)) // also under Wine
	p := procOf(t, testext.Source(t, `
#include <httpext.h>
#include <windows.h>
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = HSE_VERSION; return TRUE; }
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (!ImpersonateSelf(SecurityImpersonation)) return HSE_STATUS_ERROR;
    if (*e->lpszQueryString) *(volatile int *)16 = 1;
    return HSE_STATUS_SUCCESS;
}
`), "forgetful")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, query := range []string{"", "fault"} {
		status, err := ask(p, query, silent{})
		var fault *Fault
		if query == "" && (status != 1 || err != nil) || query != "" && !errors.As(err, &fault) {
			t.Fatalf("%q: %d, %v", query, status, err)
		}
		var token windows.Token
		if err := windows.OpenThreadToken(windows.CurrentThread(), windows.TOKEN_QUERY, true, &token); !errors.Is(err, windows.ERROR_NO_TOKEN) {
			t.Errorf("%q: the thread has a token: %v", query, err)
			_ = token.Close()
		}
	}
	takesBack.Store(false)
	if status, err := ask(p, "", silent{}); status != 1 || err != nil {
		t.Fatal(status, err)
	}
	var token windows.Token
	if err := windows.OpenThreadToken(windows.CurrentThread(), windows.TOKEN_QUERY, true, &token); err != nil {
		t.Errorf("this test shows nothing: %v", err)
	}
	_ = token.Close()
	_ = windows.RevertToSelf()
}
