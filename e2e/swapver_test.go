package e2e

import (
	"path/filepath"
	"testing"

	"github.com/isapid/isapid/internal/executor"
	"github.com/isapid/isapid/internal/extension"
)

// What shows in a soak that two versions run at a time must show it.
func TestBuildsKnowWhetherTheyAreAlone(t *testing.T) {
	files := builds(t)
	open := func(n int) (*extension.Extension, error) { return extension.Open(files[n], executor.Options{}) }
	end := func(e *extension.Extension) {
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	t.Setenv("SWAPVER_ALONE", filepath.Join(t.TempDir(), "alone"))
	for range 2 {
		first, err := open(0)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := open(1); err == nil {
			end(second)
			t.Error("two versions are loaded, each of which believes to be alone")
		}
		end(first)
		second, err := open(1)
		if err != nil {
			t.Fatalf("the second version after the end of the first: %v", err)
		}
		end(second)
	}
}
