package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPaths: how a path of Windows can be written, and what it is.
func TestPaths(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "wwwroot")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	slash := filepath.ToSlash(root)
	for _, text := range []string{
		"wwwroot", "./wwwroot", `.\wwwroot`, "WWWROOT/.", root, "'" + root + "'", `"` + strings.ReplaceAll(root, `\`, `\\`) + `"`,
		slash, `"` + slash + `"`, strings.TrimPrefix(slash, "C:"), strings.TrimPrefix(root, "C:"), strings.ToLower(root),
	} {
		c, err := Parse(filepath.Join(dir, "isapid.yaml"), fmt.Appendf(nil, "sites:\n  - name: a\n    root: %s\n", text))
		if err != nil {
			t.Errorf("root: %s: %v", text, err)
			continue
		}
		if got := c.Sites[0].Root; !strings.EqualFold(got, root) {
			t.Errorf("root: %s: got %s, want %s", text, got, root)
		}
	}
	_, err := Parse(filepath.Join(dir, "isapid.yaml"), []byte("sites:\n  - name: a\n    root: \"C:\\inetpub\\wwwroot\"\n"))
	if err == nil || !strings.Contains(err.Error(), `put a path like 'C:\sites' in single quotes`) {
		t.Errorf("got %v", err)
	}
}
