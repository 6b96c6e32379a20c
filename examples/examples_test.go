// Package examples builds every example and talks to it over HTTP.
package examples_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/toolchain"
)

// extensions are the examples in C and C++. Those in Go and Pascal have their tests beside them.
var extensions = []string{"async", "counter", "cpp-hello", "download", "upload", "variables", "vector"}

// filters are the examples of filters, which are in C.
var filters = []string{"filter-basic-auth", "filter-log", "filter-rewriter", "filter-timer", "filter-upcase"}

var names = slices.Concat(extensions, filters)

func TestExports(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			f, err := elf.Open(testext.Example(t, name))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			symbols, err := f.DynamicSymbols()
			if err != nil {
				t.Fatal(err)
			}
			exports := []string{"GetExtensionVersion", "HttpExtensionProc", "TerminateExtension"}
			if slices.Contains(filters, name) {
				exports = []string{"GetFilterVersion", "HttpFilterProc", "TerminateFilter"}
			}
			for _, want := range exports {
				if !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == want && s.Section != elf.SHN_UNDEF }) {
					t.Errorf("%s is not exported", want)
				}
			}
		})
	}
}

// TestNoWarnings holds the examples to what a reader may copy: strict, and clean.
func TestNoWarnings(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			testext.Example(t, name) // or skip: no compiler
			standard := "-std=c99"
			if name == "cpp-hello" {
				standard = "-std=c++11"
			}
			sources, err := filepath.Glob(filepath.Join(name, "*.c*"))
			if err != nil || len(sources) != 1 {
				t.Fatalf("sources are %q (%v), want one", sources, err)
			}
			flags := []string{standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror"}
			if _, err := toolchain.Compile(t.Context(), sources[0], t.TempDir(), toolchain.Options{Flags: flags}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAllAreTested finds examples that nobody tests.
func TestAllAreTested(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || slices.Contains(names, e.Name()) {
			continue
		}
		tests, err := filepath.Glob(filepath.Join(e.Name(), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(tests) == 0 {
			t.Errorf("example %s has no test: add one, or its name to the list", e.Name())
		}
	}
}
