package filters

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/isapid/isapid/e2e/served"
	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
	"github.com/isapid/isapid/internal/toolchain"
)

var program = regexp.MustCompile("(?ms)^```[a-z]+\n((?:/\\*|//|\\{) (stamp\\.[a-z]+)(?: \\*/| \\})?\n.*?)^```$")

// The programs of docs/writing-a-filter.md do what they say.
func TestDocumentedFilters(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testext.Root(t), "docs", "writing-a-filter.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := program.FindAllStringSubmatch(string(page), -1)
	if len(found) != 3 {
		t.Fatalf("the page has %d programs, want 3", len(found))
	}
	flags := map[string][]string{
		".c": {"-std=c99", "-Wextra", "-Wpedantic", "-Werror"}, ".cpp": {"-std=c++11", "-Wextra", "-Wpedantic", "-Werror"},
	}
	for _, block := range found {
		t.Run(block[2], func(t *testing.T) {
			if _, err := exec.LookPath("fpc"); err != nil && filepath.Ext(block[2]) == ".pas" {
				t.Skip(err)
			}
			dir := t.TempDir()
			source := filepath.Join(dir, block[2])
			served.Write(t, source, block[1])
			image, err := toolchain.Compile(t.Context(), source, filepath.Join(dir, "out"), toolchain.Options{Flags: flags[filepath.Ext(source)]})
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, layout{mode: config.ModeIsolated, site: []string{image}})
			res := s.get("/page.txt")
			res.want(t, 200, "hello\n")
			res.wantHeader(t, "X-Stamp", "seen")
		})
	}
}
