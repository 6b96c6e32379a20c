package executortest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	hosting "github.com/isapid/isapid/internal/server"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/toolchain"
)

// testBeside: libraries in the image's own folder are found, as on Windows, also those that they need.
func testBeside(t *testing.T, s *suite) {
	if s.windows() {
		testBesideDLL(t, s)
		return
	}
	dir := t.TempDir()
	compile := func(name, code string, with ...string) string {
		t.Helper()
		source := filepath.Join(dir, strings.TrimSuffix(name, ".so")+".c")
		if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		lib, err := toolchain.Compile(t.Context(), source, dir, toolchain.Options{Flags: []string{"-Wl,-soname," + name}, Sources: with})
		if err != nil {
			t.Fatal(err)
		}
		return lib
	}
	testext.Fixture(t, "hello") // skips the test where there is no compiler
	tax := compile("libtax.so", "const char *tax(void) { return \"19%\"; }\n")
	price := compile("libprice.so", "const char *tax(void);\nconst char *price(void) { return tax(); }\n", tax)
	shop := compile("shop.so", `#include <httpext.h>
#include <string.h>
const char *price(void);
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = HSE_VERSION; return TRUE; }
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
	DWORD n = (DWORD)strlen(price());
	e->WriteClient(e->ConnID, (LPVOID)price(), &n, HSE_IO_SYNC);
	return HSE_STATUS_SUCCESS;
}
`, price)
	for range 2 { // the second time everything has been unloaded
		srv := s.serveImage(t, shop, executor.Options{}, hosting.Binding{})
		if res := srv.get(""); res.StatusCode != 200 || res.Body != "19%" {
			t.Errorf("%s %q, want 200 19%%", res.Status, res.Body)
		}
		if err := srv.close(); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(tax); err != nil {
		t.Fatal(err)
	}
	if _, err := s.open(shop, executor.Options{}); err == nil || !strings.Contains(err.Error(), "libtax.so") || !strings.Contains(err.Error(), shop) {
		t.Errorf("without a library it needs: %v, want an error that names it and %s", err, shop)
	}
}

// testBesideDLL is testBeside for DLLs: one is found in the image's own folder, and what is missing is named.
func testBesideDLL(t *testing.T, s *suite) {
	dir := t.TempDir()
	shop := filepath.Join(dir, "shop.dll")
	tax := s.fixture(t, "tax")
	copyTo(t, s.fixture(t, "needs", tax), shop)
	refuses(t, s, shop, "tax.dll")
	copyTo(t, tax, filepath.Join(dir, "tax.dll"))
	for range 2 { // the second time everything has been unloaded
		srv := s.serveImage(t, shop, executor.Options{}, hosting.Binding{})
		if res := srv.get(""); res.StatusCode != 200 || res.Body != "19%" {
			t.Errorf("%s %q, want 200 19%%", res.Status, res.Body)
		}
		if err := srv.close(); err != nil {
			t.Error(err)
		}
	}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	code, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, code, 0o700))
}
