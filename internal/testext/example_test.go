//go:build unix

package testext

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goCache is where the go command keeps what it built.
func goCache(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestExamplesOfEveryLanguage builds an example in each: by a compiler of ours, and by Go's.
func TestExamplesOfEveryLanguage(t *testing.T) {
	for _, name := range []string{"counter", "cpp-hello", "go-mux", "pascal-hello"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOCACHE", goCache(t)) // it would follow the next one
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			lib := Example(t, name)
			if Example(t, name) != lib {
				t.Error("the second time gave another library")
			}
			if filepath.Ext(lib) != ".so" {
				t.Errorf("library is %q", lib)
			}
			f, err := elf.Open(lib)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			symbols, err := f.DynamicSymbols()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == "HttpExtensionProc" && s.Section != elf.SHN_UNDEF }) {
				t.Error("HttpExtensionProc is not exported")
			}
		})
	}
}
