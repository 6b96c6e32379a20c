//go:build unix

package image

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStagedFrom(t *testing.T) {
	full, empty, dir := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, full, "shop.run", "")
	for folder, want := range map[string]string{full: full, empty: ""} {
		s, err := Stage(write(t, folder, "shop.so", ""), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Remove()
		os.Symlink("shop.so", filepath.Join(filepath.Dir(s.Path), "alias"))
		os.Symlink("/elsewhere/shop.so.1", filepath.Join(filepath.Dir(s.Path), "another"))
		if got, ok := StagedFrom(s.Path); got != want || !ok {
			t.Errorf("copy of %s: got %q, %v", s.Source, got, ok)
		}
	}
	if got, ok := StagedFrom(filepath.Join(full, "shop.so")); got != "" || ok {
		t.Errorf("the image itself: got %q, %v", got, ok)
	}
}
