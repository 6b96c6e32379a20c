package remote

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestSweepStaging: folders of processes that are gone are removed, those of living ones and what only looks alike are not.
func TestSweepStaging(t *testing.T) {
	tmp := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP"} { // of Unix, of Windows
		t.Setenv(name, tmp)
	}
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
	kept := []string{living, other, filepath.Join(other, "image-1", "x.so")}
	if runtime.GOOS != "windows" { // where not everybody can make one
		if err := os.Symlink(other, link); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, link)
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
	for _, path := range append(kept, file, s.path) {
		if !there(path) {
			t.Errorf("%s was removed", path)
		}
	}
	sweepStaging(tmp)
	if !there(s.path) {
		t.Error("a folder in use was removed")
	}
	if st, err := os.Stat(s.path); err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v: others may enter", st, err)
	}
	if err := s.remove(); err != nil || there(s.path) {
		t.Errorf("remove: %v", err)
	}
}

// TestPlace: the folder for a copy has links to what lies beside the image, and the images do not lose that when it is removed.
func TestPlace(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no symbolic links for everybody")
	}
	from := t.TempDir()
	for _, name := range []string{"shop.dll", "shop.ini", "templates/a.txt"} {
		path := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := newStaging()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := s.place(filepath.Join(from, "shop.dll"), 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shop.ini", "templates/a.txt"} {
		if b, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(b) != name {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(folder, "shop.dll")); !os.IsNotExist(err) {
		t.Errorf("the image itself: %v", err)
	}
	if again, err := s.place(filepath.Join(from, "shop.dll"), 7); err == nil {
		t.Errorf("the same folder again: %s", again)
	}
	if err := s.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(from, "templates", "a.txt")); err != nil {
		t.Errorf("what a link led to is gone: %v", err)
	}
}
