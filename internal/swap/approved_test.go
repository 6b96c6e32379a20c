package swap

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestApprove: a version is there until its last user lets go of it, whatever becomes of the file, and whoever cleans up.
func TestApprove(t *testing.T) {
	for _, name := range []string{"TMPDIR", "TMP"} { // of Unix, of Windows
		t.Setenv(name, t.TempDir())
	}
	path := filepath.Join(t.TempDir(), "shop.so")
	if err := os.WriteFile(path, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := approve(path)
	if err != nil {
		t.Fatal(err)
	}
	b := a.retain()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		if err := os.Remove(a.version.File); err == nil {
			t.Error("somebody who cleans up can remove it")
		}
	} else if entries, err := os.ReadDir(os.TempDir()); err != nil || len(entries) > 0 {
		t.Errorf("somebody who cleans up finds %v, %v", entries, err)
	}
	for _, one := range []*approved{a, b} {
		if text, err := os.ReadFile(one.version.File); err != nil || string(text) != "first" {
			t.Errorf("got %q, %v", text, err)
		}
		if err := one.release(); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(os.TempDir()); err != nil || len(entries) > 0 {
		t.Errorf("%v are left, %v", entries, err)
	}
}
