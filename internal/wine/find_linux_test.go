package wine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAt lays out folders as Debian and others do.
func TestAt(t *testing.T) {
	const elf, script = "\x7fELF...", "#!/bin/sh\n"
	debian := map[string]string{
		"lib/wine/wine64": elf, "lib/wine/wineserver64": elf, "lib/wine/wineserver": script,
		"lib/x86_64-linux-gnu/wine/x86_64-windows/ntdll.dll": "", "lib/x86_64-linux-gnu/wine/i386-windows/zlib1.dll": "",
	}
	debian32 := map[string]string{
		"lib/wine/wine": elf, "lib/i386-linux-gnu/wine/i386-windows/ntdll.dll": "", "lib/i386-linux-gnu/wine/i386-unix/ntdll.so": "",
	}
	old := map[string]string{
		"bin/wine": elf, "bin/wine64": elf, "bin/wineserver": elf, "lib64/wine/x86_64-windows/ntdll.dll": "",
		"lib/wine/i386-windows/ntdll.dll": "", "lib/wine/i386-unix/ntdll.so": "",
	}
	modern := map[string]string{
		"bin/wine": elf, "bin/wineserver": elf, "lib/wine/x86_64-windows/ntdll.dll": "", "lib/wine/i386-windows/ntdll.dll": "",
	}
	debian14 := map[string]string{
		"lib/x86_64-linux-gnu/wine/wine": elf, "lib/x86_64-linux-gnu/wine/wineserver": elf,
		"lib/x86_64-linux-gnu/wine/x86_64-windows/ntdll.dll": "", "lib/x86_64-linux-gnu/wine/i386-windows/ntdll.dll": "",
	}
	tests := []struct {
		name                   string
		trees                  []map[string]string
		at                     string
		path, path32, server   string
		libraries, libraries32 string
	}{
		{"Debian", []map[string]string{debian}, "lib/wine", "lib/wine/wine64", "", "lib/wine/wineserver64", "lib/x86_64-linux-gnu/wine/x86_64-windows", ""},
		{"Debian by its program", []map[string]string{debian}, "lib/wine/wine64", "lib/wine/wine64", "", "lib/wine/wineserver64",
			"lib/x86_64-linux-gnu/wine/x86_64-windows", ""},
		{"Debian with wine32", []map[string]string{debian, debian32}, "lib/wine", "lib/wine/wine64", "lib/wine/wine", "lib/wine/wineserver64",
			"lib/x86_64-linux-gnu/wine/x86_64-windows", "lib/i386-linux-gnu/wine/i386-windows"},
		{"two programs", []map[string]string{old}, "bin", "bin/wine64", "bin/wine", "bin/wineserver", "lib64/wine/x86_64-windows", "lib/wine/i386-windows"},
		{"one program for both", []map[string]string{modern}, "bin", "bin/wine", "bin/wine", "bin/wineserver", "lib/wine/x86_64-windows", "lib/wine/i386-windows"},
		{"one folder for all", []map[string]string{debian14}, "lib/x86_64-linux-gnu/wine", "lib/x86_64-linux-gnu/wine/wine", "lib/x86_64-linux-gnu/wine/wine",
			"lib/x86_64-linux-gnu/wine/wineserver", "lib/x86_64-linux-gnu/wine/x86_64-windows", "lib/x86_64-linux-gnu/wine/i386-windows"},
		{"a script", []map[string]string{{"bin/wine": script, "bin/wineserver": script}, {"lib/wine/x86_64-windows/ntdll.dll": ""}}, "bin", "", "", "", "", ""},
		{"without libraries", []map[string]string{{"bin/wine": elf, "bin/wineserver": elf}}, "bin", "", "", "", "", ""},
		{"without a server", []map[string]string{{"bin/wine": elf, "lib/wine/x86_64-windows/ntdll.dll": ""}}, "bin", "", "", "", "", ""},
		{"nothing", nil, "bin", "", "", "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, tree := range test.trees {
				for name, text := range tree {
					path := filepath.Join(root, name)
					if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
						t.Fatal(err)
					}
				}
			}
			w := at(filepath.Join(root, test.at))
			if w == nil {
				if test.path != "" {
					t.Fatal("not found")
				}
				return
			}
			abs := func(name string) string {
				if name == "" {
					return ""
				}
				return filepath.Join(root, name)
			}
			for what, pair := range map[string][2]string{"program": {w.Path, test.path}, "32-bit program": {w.Path32, test.path32}, "server": {w.Server, test.server},
				"libraries": {w.Libraries["amd64"], test.libraries}, "32-bit libraries": {w.Libraries["386"], test.libraries32}} {
				if pair[0] != abs(pair[1]) {
					t.Errorf("%s: got %q, want %q", what, pair[0], abs(pair[1]))
				}
			}
		})
	}
}

func TestMajor(t *testing.T) {
	for version, want := range map[string]int{"wine-8.0 (Debian 8.0~repack-4)": 8, "wine-10.0-rc1": 10, "wine": 0, "": 0} {
		if got := major(version); got != want {
			t.Errorf("%q: got %d, want %d", version, got, want)
		}
	}
}

func TestDefaultPrefix(t *testing.T) {
	tests := []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"ISAPID_WINEPREFIX": "/srv/w", "STATE_DIRECTORY": "/var/lib/isapid"}, "/srv/w"},
		{map[string]string{"STATE_DIRECTORY": "/var/lib/isapid:/var/lib/more", "HOME": "/home/joe"}, "/var/lib/isapid/wine"},
		{map[string]string{"XDG_STATE_HOME": "/state", "HOME": "/home/joe"}, "/state/isapid/wine"},
		{map[string]string{"HOME": "/home/joe"}, "/home/joe/.local/state/isapid/wine"},
	}
	for _, test := range tests {
		for _, name := range []string{"ISAPID_WINEPREFIX", "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"} {
			t.Setenv(name, test.env[name])
		}
		if got := DefaultPrefix(); got != test.want {
			t.Errorf("%v: got %q, want %q", test.env, got, test.want)
		}
	}
	t.Setenv("HOME", "")
	if got := DefaultPrefix(); !filepath.IsAbs(got) {
		t.Errorf("without a home: %q", got)
	}
}

func TestWorkers(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("ISAPID_WORKERS", dir)
	if _, err := Workers("386"); err == nil {
		t.Error("a worker is found that is not there")
	}
	exe := filepath.Join(dir, "isapid-worker-386.exe")
	if err := os.WriteFile(exe, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Workers("386"); got != exe || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := (Setup{Workers: t.TempDir()}).Worker("386"); err == nil {
		t.Error("a worker is found outside of the folder that was named")
	}
}

// TestRunsIn lays out processes as /proc shows them, one of them of a container, whose root folder is another.
func TestRunsIn(t *testing.T) {
	root := t.TempDir()
	prefix := filepath.Join(root, "p")
	for _, dir := range []string{prefix, filepath.Join(root, "container", prefix), filepath.Join(root, "empty")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, exe, environ, root string
		want                     bool
	}{
		{"of the prefix", "/usr/lib/wine/wine64", "A=b\x00WINEPREFIX=" + prefix + "\x00", "/", true},
		{"32-bit", "/usr/lib/wine/wine-preloader", "WINEPREFIX=" + prefix + "\x00", "/", true},
		{"of another prefix", "/usr/lib/wine/wine64", "WINEPREFIX=" + prefix + "2\x00", "/", false},
		{"not Wine's", "/usr/bin/vi", "WINEPREFIX=" + prefix + "\x00", "/", false},
		{"of a container", "/usr/lib/wine/wine64", "WINEPREFIX=" + prefix + "\x00", filepath.Join(root, "container"), false},
		{"of one that was removed", "/usr/lib/wine/wine64", "WINEPREFIX=" + prefix + "/gone\x00", "/", true},
		{"of one without such a folder", "/usr/lib/wine/wine64", "WINEPREFIX=" + prefix + "\x00", filepath.Join(root, "empty"), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			process := t.TempDir()
			for name, target := range map[string]string{"exe": test.exe, "root": test.root} {
				if err := os.Symlink(target, filepath.Join(process, name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(process, "environ"), []byte(test.environ), 0o600); err != nil {
				t.Fatal(err)
			}
			asked := prefix
			if strings.Contains(test.environ, "gone") {
				asked += "/gone"
			}
			if got := runsIn(process, asked); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
