package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/testext"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
)

// TestLinks follows every link of the documentation that stays in the repository, to the file and to the heading in it.
func TestLinks(t *testing.T) {
	root := testext.Root(t)
	pages := []string{filepath.Join(root, "README.md"), filepath.Join(root, "CHANGELOG.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(textOf(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			file, part, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %q, which is not there", filepath.Base(page), m[1])
			} else if part != "" && !slices.Contains(anchors(t, target), part) {
				t.Errorf("%s links to %q, which has no such heading", filepath.Base(page), m[1])
			}
		}
	}
	if followed < 30 {
		t.Errorf("found only %d links in %d pages", followed, len(pages))
	}
}

// textOf is a page without what is shown as it is.
func textOf(t *testing.T, page string) string {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return fenced.ReplaceAllString(string(data), "")
}

// anchors are the names that headings can be linked to by.
func anchors(t *testing.T, page string) (all []string) {
	t.Helper()
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range heading.FindAllStringSubmatch(textOf(t, page), -1) {
		all = append(all, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}
