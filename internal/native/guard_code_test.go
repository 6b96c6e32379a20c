//go:build linux

package native

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuardCode has an assembler make the code of the guard of Windows from the assembly that stands beside it: it is the same.
func TestGuardCode(t *testing.T) {
	const as, objcopy = "x86_64-w64-mingw32-as", "x86_64-w64-mingw32-objcopy"
	if _, err := exec.LookPath(as); err != nil {
		t.Skip(err)
	}
	source, err := os.ReadFile("guard_windows_amd64.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(source), "const guardCode = `")
	code, _, ok := strings.Cut(code, "`")
	if !ok {
		t.Fatal("there is no guardCode")
	}
	var want []byte
	var text strings.Builder
	for line := range strings.Lines(code) {
		digits, assembly, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			text.WriteString(line) // a label
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, b...)
		text.WriteString("\t" + assembly + "\n")
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("guard.s"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{as, "-o", path("guard.o"), path("guard.s")},
		{objcopy, "-O", "binary", "-j", ".text", path("guard.o"), path("guard.bin")},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	got, err := os.ReadFile(path("guard.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 || !strings.HasPrefix(string(got), string(want)) {
		t.Errorf("the assembler makes\n% x\nof it, and there stands\n% x", got, want)
	}
}
