package remote_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/wire"
)

// approved is a version of the fixture, in a file that only this user can read.
func approved(t *testing.T, n int) executor.Version {
	t.Helper()
	b, err := os.ReadFile(testext.Fixture(t, "version", fmt.Sprintf("-DVERSION=%d", n)))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "approved")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return executor.Version{File: file, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b))}
}

// versionsLeft are the copies of versions in the folders of workers. The temporary folder is the test's own.
func versionsLeft(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(os.TempDir(), "isapid-worker-*", "version-*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestVersion: a worker loads the version that is told, whatever lies at the image's path, whoever the worker is, and in a sandbox that
// gives it the image's folder and its own.
func TestVersion(t *testing.T) {
	v1, v2 := approved(t, 1), approved(t, 2)
	public, err := os.MkdirTemp("", "remote-test-") // those of t.TempDir are below one that only this user may enter
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(public)
	t.Setenv("TMPDIR", public)
	images := filepath.Join(public, "images")
	for _, dir := range []string{public, images} {
		_ = os.Mkdir(dir, 0o755)
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(public, 0o777); err != nil { // workers of all users make folders there
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(images, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("garbage.so", []byte("half a copy"))
	first, err := os.ReadFile(v1.File)
	if err != nil {
		t.Fatal(err)
	}
	write("other.so", first)
	sandbox := &wire.Sandbox{Files: true, Read: []string{images}}
	for _, c := range []struct {
		name string
		set  remote.Settings
	}{
		{"plain", remote.Settings{}},
		{"another user", remote.Settings{Spec: proc.Spec{User: "nobody", Dir: "/"}}},
		{"sandbox", remote.Settings{Sandbox: sandbox}},
		{"another user in a sandbox", remote.Settings{Spec: proc.Spec{User: "nobody", Dir: "/"}, Sandbox: sandbox}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.set.Spec.User != "" && os.Geteuid() != 0 {
				t.Skip("only root can start a process of another user")
			}
			c.set.Name = "test/1"
			w, err := remote.Start(t.Context(), c.set)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := w.Stop(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			for _, image := range []string{"garbage.so", "other.so", "missing.so"} {
				i, err := w.Load(t.Context(), filepath.Join(images, image), executor.Options{Version: v2})
				if err != nil {
					t.Fatal(err)
				}
				rec := httptest.NewRecorder()
				if _, err := i.Execute(rec, httptest.NewRequest("GET", "/", nil), &executor.Target{}); err != nil || rec.Body.String() != "2" {
					t.Errorf("%s answers %q, %v; want 2", image, rec.Body, err)
				}
				if got := i.Description(); got != "version 2" {
					t.Errorf("%s is %q", image, got)
				}
			}
			wrong := v2
			wrong.SHA256 = strings.Repeat("0", 64)
			_, err = w.Load(t.Context(), filepath.Join(images, "other.so"), executor.Options{Version: wrong})
			if err == nil || !strings.Contains(err.Error(), "its SHA-256 is "+v2.SHA256+", and should be "+wrong.SHA256) {
				t.Errorf("other bytes than were approved: %v", err)
			}
			gone := v2
			gone.File += "-gone"
			_, err = w.Load(t.Context(), filepath.Join(images, "other.so"), executor.Options{Version: gone})
			if err == nil || !strings.Contains(err.Error(), "copy its version for worker test/1") {
				t.Errorf("a version that is not there: %v", err)
			}
			if left := versionsLeft(t); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
	left, err := filepath.Glob(filepath.Join(public, "*"))
	if err != nil || !slices.Equal(left, []string{images}) {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
