package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

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

// TestWinget: the manifests are of one package and one version, and the program is where hack/dist.sh puts it.
func TestWinget(t *testing.T) {
	dist, err := os.ReadFile(filepath.Join(testext.Root(t), "hack", "dist.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"local name=isapid-$VERSION-windows-$1", `program "$name/isapid.exe"`, `"$out/$name.zip"`} {
		if !strings.Contains(string(dist), want) {
			t.Errorf("hack/dist.sh has no %q", want)
		}
	}
	kinds := map[string]string{"isapid.isapid.yaml": "version", "isapid.isapid.installer.yaml": "installer", "isapid.isapid.locale.en-US.yaml": "defaultLocale"}
	for name, kind := range kinds {
		text, err := os.ReadFile(filepath.Join(testext.Root(t), "packaging", "winget", name))
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Identifier string `yaml:"PackageIdentifier"`
			Version    string `yaml:"PackageVersion"`
			Kind       string `yaml:"ManifestType"`
			Schema     string `yaml:"ManifestVersion"`
			Installers []struct {
				Architecture string              `yaml:"Architecture"`
				URL          string              `yaml:"InstallerUrl"`
				Sum          string              `yaml:"InstallerSha256"`
				Files        []map[string]string `yaml:"NestedInstallerFiles"`
			} `yaml:"Installers"`
		}
		if err := yaml.Unmarshal(text, &m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if m.Identifier != "isapid.isapid" || m.Version != "${VERSION}" || m.Kind != kind || m.Schema != "1.9.0" {
			t.Errorf("%s: %+v", name, m)
		}
		for _, i := range m.Installers {
			arch := map[string]string{"x64": "amd64", "x86": "386"}[i.Architecture]
			folder := "isapid-${VERSION}-windows-" + arch
			if !strings.HasSuffix(i.URL, "/v${VERSION}/"+folder+".zip") || i.Sum != "${SHA256_"+strings.ToUpper(arch)+"}" ||
				len(i.Files) != 1 || i.Files[0]["RelativeFilePath"] != folder+`\isapid.exe` {
				t.Errorf("%s: %+v", name, i)
			}
		}
		if (len(m.Installers) == 2) != (kind == "installer") {
			t.Errorf("%s has %d installers", name, len(m.Installers))
		}
	}
}
