//go:build unix

package files

import (
	"os"
	"path/filepath"
	"testing"
)

// link makes a link to a folder.
func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// TestMode: others may not enter.
func TestMode(t *testing.T) {
	temporary, err := MkdirTempPrivate(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	all := filepath.Join(t.TempDir(), "a", "b")
	if err := MkdirAllPrivate(all); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{temporary, all, filepath.Dir(all)} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, st, err)
		}
	}
}
