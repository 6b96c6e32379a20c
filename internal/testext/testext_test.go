//go:build unix

package testext

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

const tiny = `#include <httpext.h>
BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) { v->dwExtensionVersion = HSE_VERSION; return TRUE; }
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) { (void)e; return HSE_STATUS_SUCCESS; }
`

func TestSourceIsCachedByContent(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	first := Source(t, tiny)
	if again := Source(t, tiny); again != first {
		t.Errorf("the same code became %q and %q", first, again)
	}
	if other := Source(t, tiny+"int other;\n"); other == first {
		t.Errorf("other code became the same library %q", other)
	}
	if _, err := os.Stat(first); err != nil {
		t.Error(err)
	}
}

func TestParallelBuildsShareOneLibrary(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	file := filepath.Join(t.TempDir(), "source.c")
	if err := os.WriteFile(file, []byte(tiny), 0o600); err != nil {
		t.Fatal(err)
	}
	libs := make([]string, 4)
	var wg sync.WaitGroup
	for i := range libs {
		wg.Go(func() { libs[i] = Compile(t, file) })
	}
	wg.Wait()
	for _, lib := range libs {
		if lib != libs[0] {
			t.Errorf("libraries are %q", libs)
		}
	}
	entries, err := os.ReadDir(filepath.Join(cache, "isapid-test"))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("the cache holds %v, want one folder", entries)
	}
}

func TestHeadersBesideTheSourceCount(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	file, header := filepath.Join(dir, "x.c"), filepath.Join(dir, "x.h")
	libs := map[string]bool{}
	for _, value := range []string{"1", "2"} {
		if err := os.WriteFile(file, []byte("#include \"x.h\"\nint x = X;\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(header, []byte("#define X "+value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		libs[Compile(t, file)] = true
	}
	if len(libs) != 2 {
		t.Errorf("a changed header gave the same library: %v", libs)
	}
}
