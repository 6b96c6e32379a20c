package admin

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallDisk is a folder on a file system of 1 MiB, until the test ends.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	if err := syscall.Mount("isapid-test", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "size=1m"); err != nil {
		t.Skip("no file system can be mounted here:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestNoRoom: a new version that does not fit is not deployed, and says so.
func TestNoRoom(t *testing.T) {
	full := smallDisk(t)
	for name, c := range map[string]struct {
		temp string
		code int
		hint string
	}{
		"full":      {full, 507, "make room in " + full + ", or set TMPDIR of the server to a folder on another file system"},
		"no folder": {filepath.Join(full, "none"), 500, "the server keeps it in " + filepath.Join(full, "none") + "; its variable TMPDIR names another folder"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{images: twoImages}
			socket, _ := serve(t, f)
			t.Setenv("TMPDIR", c.temp)
			_, err := client(t, socket).Deploy(t.Context(), "a", false, io.LimitReader(zeros{}, 4<<20), 4<<20, nil)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Code != c.code || !strings.HasPrefix(e.Message, "the new version cannot be stored: ") || e.Hint != c.hint {
				t.Errorf("got %v", err)
			}
			if left, err := os.ReadDir(c.temp); len(left) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if len(f.asked) > 0 {
				t.Errorf("the server was asked %q", f.asked)
			}
		})
	}
}
