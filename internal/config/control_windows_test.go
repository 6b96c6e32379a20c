package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestControlPipe(t *testing.T) {
	dir := folder(t)
	for text, want := range map[string]string{
		"":                        `\\.\pipe\isapid`,
		"control: {socket: ''}\n": "",
		"control: {socket: '\\\\.\\pipe\\shop'}\n":  `\\.\pipe\shop`,
		"control:\n  socket: \\\\.\\pipe\\shop.2\n": `\\.\pipe\shop.2`,
	} {
		if got := parse(t, dir, text).Control.Socket; got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	file := filepath.Join(dir, "isapid.yaml")
	for _, name := range []string{"control.sock", `\\.\pipe\`, `C:\run\control.sock`, `\\server\pipe\isapid`, `\\.\pipe\a\b`, `\\.\pipe\` + strings.Repeat("x", 250)} {
		if err := os.WriteFile(file, []byte("control: {socket: '"+name+"'}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ControlSocket(file); err == nil || !strings.Contains(err.Error(), "is not the name of a pipe") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCrashDirectory(t *testing.T) {
	t.Setenv("LOCALAPPDATA", `C:\Users\ann\AppData\Local`)
	for _, tt := range []struct {
		state, configured string
		keep              int
		want              string
	}{
		{"", "", 1, `C:\Users\ann\AppData\Local\isapid\crashes`},
		{`C:\ProgramData\isapid`, "", 1, `C:\ProgramData\isapid\crashes`},
		{`C:\ProgramData\isapid`, `D:\crashes`, 1, `D:\crashes`},
		{`C:\ProgramData\isapid`, `D:\crashes`, 0, ""},
	} {
		t.Setenv("STATE_DIRECTORY", tt.state)
		c := Config{Control: Control{Socket: DefaultControlSocket()}, Crashes: CrashFiles{tt.configured, tt.keep}}
		if got := c.CrashDirectory(); got != tt.want {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
}
