package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

// TestUnits: systemd, where it is installed, finds nothing wrong with the units.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"verify"}
	for _, name := range []string{"isapid.service", "isapid.socket"} {
		unit, err := os.ReadFile(filepath.Join(testext.Root(t), "packaging", name))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(unit), "/usr/local/bin/isapid", program)), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out, err := exec.Command(analyze, args...).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		// The one key that systemd 252, of Debian 12, does not know yet.
		if strings.HasPrefix(line, dir) && !strings.Contains(line, "DelegateSubgroup") {
			t.Errorf("systemd-analyze: %s", line)
		}
	}
}
