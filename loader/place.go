//go:build cgo

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/isapid/isapid/internal/image"
)

// place is where the loader works.
type place struct {
	folder  string // of the files; absolute
	name    string // what they begin with
	staging string // folder for private copies; "": the system's temporary folder
}

// run is the file of the version in force.
func (p place) run() string { return filepath.Join(p.folder, p.name+".run") }

// findPlace tells the place by the path of the loader's own file. A host that runs a private copy of it somewhere else either leaves links
// to the files beside the original, as isapid does, or has to be helped: dir, if not "", is the folder.
func findPlace(self, dir string) (place, error) {
	if self == "" {
		return place{}, errors.New("the system does not say which file the loader is")
	}
	self, err := filepath.Abs(self)
	if err != nil {
		return place{}, err
	}
	base := filepath.Base(self)
	p := place{folder: filepath.Dir(self), name: strings.TrimSuffix(base, filepath.Ext(base))}
	from, staged := image.StagedFrom(self)
	if staged {
		p.folder, p.staging = from, p.folder // goes with the host's copy, whatever happens to this process
	}
	if dir != "" {
		p.folder = dir
	}
	switch st, err := os.Stat(p.folder); {
	case p.folder == "":
		return p, fmt.Errorf("the host runs a copy of the loader (%s), and does not say where the original lies: set %s to that folder", self, "ISAPILOADER_DIR")
	case err != nil:
		return p, err
	case !st.IsDir():
		return p, fmt.Errorf("%q is no folder", p.folder)
	}
	p.folder, err = filepath.Abs(p.folder)
	return p, err
}
