package site

import (
	"path/filepath"
	"strings"
)

// Runs says whether requests to the application with this path can be run by the image file: a handler names it, or a URL can.
func (s *Site) Runs(application, file string) bool {
	for _, a := range s.apps {
		if a.Path != application {
			continue
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
