package deptest

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestArchitecture: docs/architecture.md names every package in its tree, and says what the layers say.
func TestArchitecture(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## The tree, in reading order\n")
	_, rest, _ = strings.Cut(rest, "\n```\n")
	tree, rest, _ := strings.Cut(rest, "\n```\n")
	_, rest, _ = strings.Cut(rest, "\n```\n")
	table, _, found := strings.Cut(rest, "\n```\n")
	if !found {
		t.Fatal("docs/architecture.md has lost its tree or its table")
	}
	for pkg := range layers {
		pkg = strings.TrimSuffix(pkg, "/...")
		if pkg == "." {
			pkg = "isapid.go"
		}
		if !regexp.MustCompile(`(?m)(^|[ /])` + regexp.QuoteMeta(pkg) + `(/|:|\s)`).MatchString(tree) {
			t.Errorf("package %q is not in the tree of docs/architecture.md", pkg)
		}
	}
	said := importsSaid(table)
	for _, pkg := range slices.Sorted(maps.Keys(said)) {
		of := layers[pkg]
		if pkg == "isapid.go" {
			of = layers["."]
		}
		if want := slices.Sorted(slices.Values(of)); !slices.Equal(said[pkg], want) {
			t.Errorf("docs/architecture.md: %s imports %q; the layers: %q", pkg, said[pkg], want)
		}
	}
}

// importsSaid reads lines of "one, another  ->  what they import  (a remark)", which go on where a line begins with a blank.
func importsSaid(table string) map[string][]string {
	said := map[string][]string{}
	var who []string
	for line := range strings.Lines(table) {
		names, list, begins := strings.Cut(line, "->")
		if begins {
			who = strings.Fields(strings.ReplaceAll(names, ",", " "))
		} else {
			list = line
		}
		list, _, _ = strings.Cut(list, "(")
		if strings.TrimSpace(list) == "nothing of ours" {
			list = ""
		}
		for _, pkg := range who {
			said[pkg] = slices.Sorted(slices.Values(append(said[pkg], strings.Fields(list)...)))
		}
	}
	return said
}
