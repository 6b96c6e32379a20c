package native

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/windows"
)

// tempDir is t.TempDir for a system (Wine 8) where that cannot be removed: it knows no other call to do so than the oldest.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "native")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var dirs []string
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			name, _ := windows.UTF16PtrFromString(path)
			switch {
			case err != nil:
			case d.IsDir():
				dirs = append(dirs, path)
			default:
				_ = windows.DeleteFile(name)
			}
			return nil
		})
		for _, d := range slices.Backward(dirs) {
			name, _ := windows.UTF16PtrFromString(d)
			if err := windows.RemoveDirectory(name); err != nil {
				t.Logf("%s stays: %v", d, err)
			}
		}
	})
	return dir
}
