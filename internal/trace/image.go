package trace

import (
	"path/filepath"
	"strings"
)

// Image is a loaded image, as events and filters name it. It does not change.
type Image struct {
	Number uint64 // in the process: [Event].Image
	Path   string // in the configuration
	Pool   string // "" if whoever loaded it does not know
}

// is tells whether a filter means the image by its path, the last part of that, or that without extension.
func (i *Image) is(name string) bool {
	if i.Path == name {
		return true
	}
	base := i.Path[strings.LastIndexAny(i.Path, separators)+1:]
	if base == name {
		return true
	}
	dot := strings.LastIndexByte(base, '.')
	return dot > 0 && base[:dot] == name
}

// separators are what parts a path has between them.
var separators = "/" + strings.Trim(string(filepath.Separator), "/")
