//go:build unix

package config

import (
	"path/filepath"
	"testing"
)

func TestControlSocket(t *testing.T) {
	dir := folder(t)
	for text, want := range map[string]string{
		"":                                   DefaultControlSocket(),
		"control:\n":                         DefaultControlSocket(),
		"control: {}\n":                      DefaultControlSocket(),
		"control: {socket: ''}\n":            "",
		"control: {socket: ./c.sock}\n":      filepath.Join(dir, "c.sock"),
		"control: {socket: /run/x/c.sock}\n": "/run/x/c.sock",
	} {
		if got := parse(t, dir, text).Control.Socket; got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestDefaultControlSocket(t *testing.T) {
	for _, tt := range []struct {
		uid                int
		runtime, tmp, want string
	}{
		{0, "/run/user/0", "/tmp", systemRun() + "/isapid/control.sock"},
		{1000, "/run/user/1000", "/tmp", "/run/user/1000/isapid/control.sock"},
		{1000, "", "/tmp", "/tmp/isapid-1000/control.sock"},
		{1000, "relative", "/var/tmp", "/var/tmp/isapid-1000/control.sock"},
	} {
		if got := controlSocket(tt.uid, tt.runtime, tt.tmp); got != filepath.FromSlash(tt.want) {
			t.Errorf("controlSocket(%d, %q, %q) = %q, want %q", tt.uid, tt.runtime, tt.tmp, got, tt.want)
		}
	}
	if s := DefaultControlSocket(); !filepath.IsAbs(s) {
		t.Errorf("DefaultControlSocket is %q", s)
	}
}

func TestCrashDirectory(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		state, socket, configured string
		keep                      int
		want                      string
	}{
		{"", "/run/i/control.sock", "", 1, "/run/i/crashes"},
		{dir + ":/else", "/run/i/control.sock", "", 1, dir + "/crashes"},
		{"relative", "", "", 1, ""},
		{dir, "/run/i/control.sock", "/var/crashes", 1, "/var/crashes"},
		{dir, "/run/i/control.sock", "/var/crashes", 0, ""},
	} {
		t.Setenv("STATE_DIRECTORY", tt.state)
		c := Config{Control: Control{Socket: tt.socket}, Crashes: CrashFiles{tt.configured, tt.keep}}
		if got := c.CrashDirectory(); got != filepath.FromSlash(tt.want) {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
}
