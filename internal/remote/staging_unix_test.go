//go:build unix

package remote

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSweepStaging: folders of processes that are gone are removed, those of living ones and what only looks alike are not.
func TestSweepStaging(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	create := func(name string) string {
		t.Helper()
		path := filepath.Join(tmp, name)
		if err := os.MkdirAll(filepath.Join(path, "image-1"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "image-1", "x.so"), nil, 0o400); err != nil {
			t.Fatal(err)
		}
		return path
	}
	left, living, other := create(stagingPrefix+"1"), create(stagingPrefix+"2"), create("isapid-workers")
	lock, err := lockFolder(living)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	link := filepath.Join(tmp, stagingPrefix+"3")
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(tmp, stagingPrefix+"4")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	there := func(path string) bool { _, err := os.Lstat(path); return err == nil }

	s, err := newStaging()
	if err != nil {
		t.Fatal(err)
	}
	if there(left) {
		t.Error("what a dead process left is still there")
	}
	for _, path := range []string{living, other, filepath.Join(other, "image-1", "x.so"), link, file, s.path} {
		if !there(path) {
			t.Errorf("%s was removed", path)
		}
	}
	sweepStaging(tmp)
	if !there(s.path) {
		t.Error("a folder in use was removed")
	}
	if st, err := os.Stat(s.path); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v: others may enter", st, err)
	}
	if err := s.remove(); err != nil || there(s.path) {
		t.Errorf("remove: %v", err)
	}
}
