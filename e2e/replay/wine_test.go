//go:build linux

package replay

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

// TestDLL: what a library of Windows was asked is recorded on Linux, also when it is named by its whole path, and played to other builds of it.
func TestDLL(t *testing.T) {
	_, prefix := testext.Wine(t, "amd64")
	workers := t.TempDir()
	if err := os.Symlink(testext.Worker(t, "amd64"), filepath.Join(workers, "isapid-worker-amd64.exe")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ISAPID_WINEPREFIX", prefix)
	t.Setenv("ISAPID_WORKERS", workers)
	dll := func(flags ...string) string { return testext.DLL(t, "amd64", "recorded", flags...) }

	image := dll()
	s := serve(t, "isolated", "{path: '*', extension: "+image+"}", "")
	s.ask("GET", "/?x=0", "") // its worker has started
	r := s.record("t.tape", image)
	s.load(2, 9)
	s.ask("GET", "/?x=9", "")
	r.Signal(syscall.SIGINT)
	if n := r.end(); n != 19 {
		t.Errorf("%d requests were recorded of 19", n)
	}
	for name, c := range map[string]struct {
		flag   string
		differ int
		what   string
	}{"same": {"", 0, ""}, "header": {"-DHEADER", 19, "header"}, "calls": {"-DMORE", 19, "calls"}, "fault": {"-DSEGV", 2, "status"}} {
		build := image
		if c.flag != "" {
			build = dll(c.flag)
		}
		code, v, text := replay(t, r.file, "--against", build)
		if code != min(c.differ, 1) || v.Requests != 19 || v.Differ != c.differ || c.differ > 0 && v.Differences[0].What[0].What != c.what {
			t.Errorf("%s: exit code %d: %s", name, code, text)
		}
		if name == "fault" && (v.Crashes == 0 || !strings.Contains(text, "EXCEPTION_ACCESS_VIOLATION") || !strings.Contains(text, "HttpExtensionProc")) {
			t.Errorf("%s: %s", name, text)
		}
	}
}
