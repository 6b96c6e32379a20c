package metrics

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/testext"
)

// TestRules: alerts fire when they should, and not before.
func TestRules(t *testing.T) {
	promtool := need(t, "promtool")
	dir := t.TempDir()
	for name, from := range map[string]string{
		"isapid.rules.yml": filepath.Join(testext.Root(t), "packaging/prometheus/isapid.rules.yml"),
		"rules.yml":        "testdata/rules.yml",
	} {
		served.Copy(t, from, filepath.Join(dir, name))
	}
	cmd := exec.CommandContext(t.Context(), promtool, "test", "rules", "rules.yml")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
