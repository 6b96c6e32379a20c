package wine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// format is the version of what this package makes of a prefix. It grows when prefixes made before have to be made anew.
const format = 1

// stampName is the file in a prefix that says what it is. It is the last to be written.
const stampName = "isapid.json"

// stamp says what a prefix is.
type stamp struct {
	Format  int      `json:"format"`
	Wine    string   `json:"wine"`              // version of the Wine it was made by
	Arches  []string `json:"arches"`            // processors whose programs it is for
	Changed bool     `json:"changed,omitempty"` // it is being changed; whoever did that may have died
}

func readStamp(prefix string) (*stamp, error) {
	data, err := os.ReadFile(filepath.Join(prefix, stampName))
	if err != nil {
		return nil, err
	}
	s := &stamp{}
	if err := json.Unmarshal(data, s); err != nil {
		return &stamp{Changed: true}, nil // cut off when it was written: what it said is made again
	}
	return s, nil
}

func (s *stamp) write(prefix string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(prefix, stampName), append(data, '\n'))
}

// replaceFile writes a file in one step.
func replaceFile(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// outdated says why a prefix has to be changed before it can be used; "" if it need not.
func (s *stamp) outdated(prefix, version string, arches []string) string {
	switch {
	case s.Changed:
		return "its last change was not finished"
	case s.Format != format:
		return "another version of isapid made it"
	case s.Wine != version:
		return fmt.Sprintf("it is of %s, and this is %s", s.Wine, version)
	}
	for _, a := range arches {
		if !slices.Contains(s.Arches, a) {
			return "it is not for " + a + " yet"
		}
	}
	if !neverUpdates(prefix) {
		return "Wine would change it by itself"
	}
	for _, a := range append([]string{"amd64"}, arches...) { // a Wine for the others may have been removed
		if missing := incomplete(prefix, a); missing != "" {
			return strings.TrimPrefix(missing, prefix+"/") + " is missing"
		}
	}
	return ""
}

// kind is what is at the place of a prefix.
type kind int

const (
	nothing kind = iota // no such folder, or an empty one
	ours
	foreign // a prefix that somebody else made
	other   // something else
)

// look says what is at the place of a prefix; the stamp is that of one of ours.
func look(prefix string) (kind, *stamp, error) {
	s, err := readStamp(prefix)
	if err == nil {
		return ours, s, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return other, nil, err
	}
	list, err := os.ReadDir(prefix)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(list) == 0:
		return nothing, nil, nil
	case err != nil:
		return other, nil, err
	}
	if _, err := os.Stat(filepath.Join(prefix, "system.reg")); err == nil {
		return foreign, nil, nil
	}
	return other, nil, nil
}
