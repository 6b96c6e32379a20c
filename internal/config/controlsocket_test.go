package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestControlSocketOf(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("names are others there: TestControlPipe")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "isapid.yaml")
	for text, want := range map[string]string{
		"":                                 DefaultControlSocket(),
		"sites: 7\n":                       DefaultControlSocket(),
		"control: {socket: run/c.sock}\n":  filepath.Join(dir, "run", "c.sock"),
		"control: {socket: /run/c.sock}\n": "/run/c.sock",
		"control: {socket: ''}\n":          "",
		"stes: []\nsites: [{root: /nowhere}]\npools: {a: {threads: x}}\ncontrol:\n  socket: c.sock\n": filepath.Join(dir, "c.sock"),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ControlSocket(file); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"control: {sock: x}\n":   `unknown key "sock" in control`,
		"control: [\n":           "not valid YAML",
		"- a\n":                  "the configuration must be a mapping",
		"control: {socket: 1}\n": `"socket" must be text`,
		strings.Repeat("# this is long\n", 1<<17): "longer than 1 MiB",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ControlSocket(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
	if _, err := ControlSocket(filepath.Join(dir, "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
