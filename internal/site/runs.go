package site

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/isapid/isapid/internal/executor"
)

// Runs says whether requests to the application with this path can be run by the image file: a handler names it, or a URL can, or it is a
// filter of the application.
func (s *Site) Runs(application, file string) bool {
	for _, a := range s.apps {
		if a.Path != application {
			continue
		}
		if slices.ContainsFunc(a.filters, func(f executor.FilterRef) bool { return f.Image == file }) {
			return true
		}
		for _, h := range a.handlers {
			if h.Extension == file || h.kind == image && !belongsToUpdate(file) && strings.EqualFold(filepath.Ext(file), h.suffix) && s.holds(file) && s.mayLoad(file) {
				return true
			}
		}
	}
	return false
}

// holds says whether a path lies below a directory of the site.
func (s *Site) holds(path string) bool {
	for _, m := range s.mounts {
		if rel, err := filepath.Rel(m.dir, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}
