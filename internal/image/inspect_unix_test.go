//go:build unix

package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestGoLibrary(t *testing.T) {
	need(t, "gcc")
	dir := t.TempDir()
	src := write(t, dir, "main.go", "package main\n\nimport \"C\"\n\n//export GetExtensionVersion\nfunc GetExtensionVersion() int { return 1 }\n\nfunc main() {}\n")
	out := filepath.Join(dir, "go.so")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, src)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, msg)
	}
	i := inspect(t, out)
	if !i.Go || i.FreePascal || i.Type != TypeLibrary || !i.exports("GetExtensionVersion") || len(i.NoUnload) == 0 {
		t.Errorf("got %+v", i)
	}
}

func TestPascalLibrary(t *testing.T) {
	need(t, "fpc")
	dir := t.TempDir()
	src := write(t, dir, "p.pas", "library p;\nfunction GetExtensionVersion(v: pointer): longint; cdecl; begin GetExtensionVersion := 1; end;\n"+
		"exports GetExtensionVersion;\nend.\n")
	for _, flags := range [][]string{nil, {"-XX", "-Xs"}} {
		cmd := exec.Command("fpc", append(flags, "-Cg", "-o"+filepath.Join(dir, "p.so"), src)...)
		cmd.Dir = dir
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("fpc: %v\n%s", err, msg)
		}
		i := inspect(t, filepath.Join(dir, "p.so"))
		if !i.FreePascal || i.Go || !i.exports("GetExtensionVersion") {
			t.Errorf("fpc %q: got %+v", flags, i)
		}
	}
}
