//go:build windows || (unix && cgo)

package native

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/isapid/isapid/internal/isapi"
)

// staged is a private copy of a library, as Open wants it.
func staged(t *testing.T, lib, name string) string {
	t.Helper()
	code, err := os.ReadFile(lib)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, code, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string, before ...string) *Library {
	t.Helper()
	l, err := Open(path, before...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// version is what GetExtensionVersion of l gives as its version number.
func version(t *testing.T, l *Library) uint32 {
	t.Helper()
	info, ok, _, err := GetExtensionVersion(l.Lookup("GetExtensionVersion"), 0)
	if err != nil || !ok {
		t.Fatalf("GetExtensionVersion: %t, %v", ok, err)
	}
	return info.ExtensionVersion
}

// teller answers WriteClient with what write says.
type teller struct {
	silent
	write func() isapi.Error
}

func (c *teller) WriteClient(buf, size uintptr, flags uint32) isapi.Error { return c.write() }

func fine() isapi.Error { return isapi.OK }

const numbered = "#include <httpext.h>\nBOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = %d; return TRUE; }\n"
