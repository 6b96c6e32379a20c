package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/proc"
	"github.com/isapid/isapid/internal/remote"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/wire"
)

// TestRegions: large answers go through memory that is shared with the worker, whatever was taken from that.
func TestRegions(t *testing.T) {
	if plain {
		t.Skip("plain streams carry no descriptors")
	}
	public, err := os.MkdirTemp("", "remote-test-") // those of t.TempDir are below one that only this user may enter
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(public)
	library, err := os.ReadFile(testext.Fixture(t, "bulk"))
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(public, "bulk.so")
	if err := errors.Join(os.Chmod(public, 0o777), os.WriteFile(image, library, 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", public)
	sandbox := &wire.Sandbox{Files: true, Read: []string{public}, Network: true}
	none := uint64(0)
	for _, c := range []struct {
		name string
		set  remote.Settings
	}{
		{"plain", remote.Settings{}},
		{"sandbox", remote.Settings{Sandbox: sandbox, NoNewPrivileges: true}},
		{"another user in a sandbox", remote.Settings{Spec: proc.Spec{User: "nobody", Dir: "/"}, Sandbox: sandbox}},
		{"limits", remote.Settings{Spec: proc.Spec{Limits: proc.Limits{LockedMemory: &none, Core: &none}}}},
		{"memory of a group", remote.Settings{Spec: proc.Spec{Cgroup: proc.Cgroup{MemoryMax: 1 << 30}}}},
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
			i, err := w.Load(t.Context(), image, executor.Options{})
			if err != nil {
				t.Fatal(err)
			}
			const size = 8 << 20
			rec := httptest.NewRecorder()
			if _, err := i.Execute(rec, httptest.NewRequest("GET", fmt.Sprintf("/?down=%d", size), nil), &executor.Target{}); err != nil || rec.Body.Len() != size {
				t.Errorf("%d bytes, %v", rec.Body.Len(), err)
			}
			maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", w.Pid()))
			if err != nil || bytes.Count(maps, []byte("/memfd:isapid")) != 1 {
				t.Errorf("the worker has %d regions, %v", bytes.Count(maps, []byte("/memfd:isapid")), err)
			}
		})
	}
}
